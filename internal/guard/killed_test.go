package guard_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graph"
	"github.com/cadrift/cadrift/internal/graphsim"
	"github.com/cadrift/cadrift/internal/guard"
	"github.com/cadrift/cadrift/internal/store"
)

// The system calls that write: to the store's file and to sockets. strace counts
// them per thread, so the n-th call is the first n-th of any thread; with one
// processor the child makes nearly all of them on one.
const writing = "pwrite64,fdatasync,fsync,ftruncate,renameat,write,connect"

// TestKilledChild is the process that TestKilled kills: three passes of the
// real watcher, store and guard against a cloud behind a socket.
func TestKilledChild(t *testing.T) {
	dir, cloud := os.Getenv("GUARD_CHILD_DIR"), os.Getenv("GUARD_CHILD_CLOUD")
	if dir == "" {
		t.Skip("started by TestKilled only")
	}
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	r := &rig{t: t, dir: dir, cloud: cloud, transport: graph.NewTransport(roots), settings: guard.Settings{
		Mode: guard.Enforce, Users: []string{first, second}, Exempt: map[string]string{}, PerHour: 10, PerPolicyDay: 3,
	}}
	r.open()
	for range 3 {
		r.must(r.watcher.Pass(context.Background()))
	}
	r.close()
}

// TestKilled kills the process at its writing system calls, one run per call,
// lets it start again, and checks that nothing is lost, that no intent had two
// effects, and that the store is whole. Everyday runs take a few of the calls.
func TestKilled(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	step, limit := 4, 2
	if os.Getenv("CADRIFT_LONG") != "" {
		step, limit = 1, 2000
	}
	sim := graphsim.New(graphsim.Options{Seed: 9})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- sim.ServeTLS(ctx, ln) }()
	defer func() { cancel(); <-served }()
	cloud := fmt.Sprintf("https://%s", ln.Addr())
	killed := 0
	for _, call := range strings.Split(writing, ",") {
		for i := range limit {
			if !killOnce(t, sim, cloud, strace, call, 1+i*step) {
				break // the process was through before its call came
			}
			killed++
		}
	}
	t.Logf("killed at %d calls of %s", killed, writing)
	if killed < 3 {
		t.Errorf("only %d kills: the fault does not fire", killed)
	}
}

// killOnce runs the child to its n-th call of one kind and then once more; it
// tells whether the kill came before the end.
func killOnce(t *testing.T, sim *graphsim.Server, cloud, strace, call string, n int) bool {
	t.Helper()
	tenant := sim.AddTenant(tenantID, "contoso") // anew each time
	tenant.Tune(func(b *graphsim.Behaviour) { b.RequestsPerSecond = 0 })
	tenant.AddApp(graphsim.App{ClientID: clientID, ObjectID: "app", Name: "cadrift", Secret: "s", Roles: writer})
	r := &rig{t: t, dir: t.TempDir(), sim: sim, tenant: tenant, admin: tenant.As(graphsim.ByApp("robot", "pipeline"))}
	for _, id := range []string{first, second} {
		tenant.PutUser(graphsim.DirectoryUser{ID: id, PrincipalName: id})
	}
	id := r.policy("CA001", everyone+`,"excludeUsers":["`+kim+`"]`)
	pem, err := sim.CAPEM()
	r.must(err)
	r.must(os.WriteFile(filepath.Join(r.dir, "ca.pem"), pem, 0o600))
	run := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		args = append(args, os.Args[0], "-test.run", "^TestKilledChild$")
		c := exec.CommandContext(ctx, args[0], args[1:]...)
		c.Env = append(os.Environ(), "GUARD_CHILD_DIR="+r.dir, "GUARD_CHILD_CLOUD="+cloud, "GOMAXPROCS=1")
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		err := c.Run()
		return out.String(), err
	}
	trace := filepath.Join(r.dir, "trace")
	_, err = run(strace, "-f", "-qq", "-o", trace, "-e", "trace="+writing, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n))
	text, _ := os.ReadFile(trace)
	fired := strings.Contains(string(text), "killed by SIGKILL")
	if err == nil || !fired {
		return false
	}
	out, err := run()
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%s %d: the next life fails: %v\n%s", call, n, err, out)
	}
	body := string(tenant.Body(drift.Policy, id))
	if !strings.Contains(body, kim) {
		t.Errorf("%s %d: somebody else's exclusion is lost: %s", call, n, body)
	}
	s, err := store.Open(filepath.Join(r.dir, "cadrift.db"), store.Options{})
	r.must(err)
	defer s.Close()
	intents, err := s.Entries(tenantID, "guard_intent")
	r.must(err)
	if effects := len(r.patches()); effects > len(intents) || effects > 1 {
		t.Errorf("%s %d: %d effects of %d intents", call, n, effects, len(intents))
	}
	return true
}
