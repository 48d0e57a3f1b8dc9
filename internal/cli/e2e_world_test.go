package cli_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// world is what the commands of one script share.
type world struct {
	ts     *testscript.TestScript
	stage  *stage
	hook   *receiver
	daemon *daemon
	hashes map[string][]byte
	// release lets the receiver answer again.
	release func()
}

type worldKey struct{}

// soon is twice the 5 s that are promised: under the race detector, beside
// every other package's tests, a process takes seconds to start.
const soon = 10 * time.Second

// end stops what the script left running.
func (w *world) end() {
	if w.daemon != nil {
		_ = w.daemon.end(syscall.SIGKILL) // it may have ended by itself
	}
	if w.hook != nil {
		_ = w.hook.server.Close()
	}
	if w.stage != nil {
		w.stage.stop()
	}
}

// in makes a script command of a method. With "!" the method must fail.
func in(command func(*world, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		w := ts.Value(worldKey{}).(*world)
		w.ts = ts
		err := command(w, args)
		switch {
		case neg && err == nil:
			ts.Fatalf("unexpected success")
		case neg:
			ts.Logf("as expected: %v", err)
		case err != nil:
			ts.Fatalf("%v", err)
		}
	}
}

func (w *world) graphsimCommand(args []string) (err error) {
	if w.stage, err = newStage(w.ts.Getenv("WORK"), args...); err != nil {
		return err
	}
	w.ts.Setenv("GRAPH", w.stage.addr)
	return w.configureCommand(nil)
}

// configureCommand takes tenant.yaml and top.yaml, $VARIABLES and all.
func (w *world) configureCommand([]string) error {
	var parts [2]string
	for i, name := range []string{"tenant.yaml", "top.yaml"} {
		text, err := os.ReadFile(w.ts.MkAbs(name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		parts[i] = os.Expand(string(text), w.ts.Getenv)
	}
	return w.stage.configure(parts[0], parts[1])
}

func (w *world) adminCommand(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: admin VERB KIND ID|BODY [BODY]")
	}
	kind, a := drift.Kind(args[1]), w.stage.admin()
	switch args[0] {
	case "create":
		id, err := a.Create(kind, args[2])
		w.ts.Setenv("CREATED", id)
		return err
	case "patch":
		return a.Patch(kind, args[2], args[3])
	case "delete":
		return a.Delete(kind, args[2])
	case "restore":
		return a.Restore(kind, args[2])
	case "reorder":
		w.stage.tenants["contoso"].ReorderLists(kind, args[2])
		return nil
	}
	return fmt.Errorf("no verb %s", args[0])
}

func (w *world) faultCommand(args []string) error {
	switch args[0] {
	case "none":
		w.stage.cloud.OnRequest(nil)
	case "empty":
		w.stage.cloud.OnRequest(onPolicies(graphsim.Edits(graphsim.EmptyList)))
	case "html":
		w.stage.cloud.OnRequest(onPolicies(graphsim.HTML(http.StatusOK)))
	case "dropone":
		w.stage.cloud.OnRequest(onPolicies(graphsim.Edits(graphsim.DropLast(1))))
	case "hang":
		w.stage.cloud.OnRequest(onPolicies(&graphsim.Fault{Delay: time.Minute}))
	case "unparsable":
		// Nothing that a client of today's model could read: it has an id.
		w.stage.cloud.OnRequest(onPolicies(graphsim.Edits(func(body map[string]any) {
			list, _ := body["value"].([]any)
			body["value"] = append(list, map[string]any{
				"id": "dddddddd-0000-4000-8000-000000000001", "displayName": 7, "state": []any{}, "conditions": "tomorrow",
			})
		})))
	case "permission":
		for _, t := range w.stage.tenants {
			t.AddApp(graphsim.App{ClientID: clientID, Secret: clientSecret, Roles: []string{graphsim.PolicyReadStrengths}})
		}
	default:
		return fmt.Errorf("no fault %s", args[0])
	}
	return nil
}

func (w *world) receiverCommand(args []string) (err error) {
	if len(args) == 1 && args[0] == "hold" {
		w.release = w.hook.hold()
		return nil
	}
	if len(args) == 1 && args[0] == "release" {
		w.release()
		return nil
	}
	if len(args) == 1 {
		status, err := strconv.Atoi(args[0])
		if err == nil {
			w.hook.answer(status)
		}
		return err
	}
	if w.hook, err = newReceiver(); err == nil {
		w.ts.Setenv("HOOK", w.hook.url)
	}
	return err
}

// receivedCommand counts different events: delivery is at least once.
func (w *world) receivedCommand(args []string) error {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	pattern, err := regexp.Compile(strings.Join(args[1:], " "))
	if err != nil {
		return err
	}
	return eventually(func() error {
		ids, all := map[string]bool{}, ""
		for _, d := range w.hook.deliveries() {
			if d.status < 300 {
				all += fmt.Sprintf("%s\n", d.body)
				if pattern.Match(d.body) {
					ids[d.event.ID] = true
				}
			}
		}
		if len(ids) != want {
			return fmt.Errorf("%d deliveries match %s, want %d, among\n%s", len(ids), pattern, want, all)
		}
		return nil
	})
}

func (w *world) daemonCommand(args []string) (err error) {
	switch args[0] {
	case "start":
		env := append(os.Environ(), "NO_COLOR=1")
		if w.daemon, err = startDaemon(w.stage.dir, env, args[1:]...); err != nil {
			return err
		}
		w.ts.Setenv("WEB", "http://"+w.daemon.web)
		w.ts.Setenv("HEALTH", "http://"+w.daemon.health)
		return nil
	case "ready":
		return w.daemon.ready()
	case "passes":
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return w.daemon.passes(n)
	case "hup":
		return w.daemon.cmd.Process.Signal(syscall.SIGHUP)
	case "stop", "interrupt":
		sig := syscall.SIGTERM
		if args[0] == "interrupt" {
			sig = syscall.SIGINT
		}
		return w.daemon.end(sig)
	case "kill":
		if err := w.daemon.end(syscall.SIGKILL); err == nil {
			return errors.New("exit 0 after SIGKILL")
		}
		return nil
	}
	return fmt.Errorf("no daemon %s", args[0])
}

func (w *world) fetchCommand(args []string) error {
	code, body, err := fetch(args[0])
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.ts.MkAbs(args[1]), body, 0o600); err != nil {
		return err
	}
	if code >= http.StatusBadRequest {
		return fmt.Errorf("%s: %d %s", args[0], code, body)
	}
	return nil
}

// program runs a program of the script's and returns its output, with the
// exit code after a failure.
func (w *world) program(args []string) (stdout, stderr []byte, code int, err error) {
	path, err := exec.LookPath(args[0])
	if err != nil {
		return nil, nil, 0, err
	}
	c := exec.Command(path, args[1:]...)
	var out, errs bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = w.ts.MkAbs("."), &out, &errs
	c.Env = append(os.Environ(), "CADRIFT_CONFIG="+w.ts.Getenv("CADRIFT_CONFIG"))
	err = c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return out.Bytes(), errs.Bytes(), c.ProcessState.ExitCode(), err
}

func (w *world) untilCommand(args []string) error {
	pattern, err := regexp.Compile(args[0])
	if err != nil {
		return err
	}
	return eventually(func() error {
		stdout, stderr, _, err := w.program(args[1:])
		if err != nil {
			return fatal{err}
		}
		if !pattern.Match(stdout) && !pattern.Match(stderr) {
			return fmt.Errorf("no %s in:\n%s%s", pattern, stdout, stderr)
		}
		return nil
	})
}

// codeCommand leaves the output of the program in the files stdout.txt and
// stderr.txt, because only built-in commands can leave it as stdout.
func (w *world) codeCommand(args []string) error {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	quickly := args[1] == "quickly"
	if quickly {
		args = args[1:]
	}
	began := time.Now()
	stdout, stderr, code, err := w.program(args[1:])
	if err != nil {
		return err
	}
	if took := time.Since(began); quickly && took > soon {
		return fmt.Errorf("took %s", took)
	}
	if code != want {
		return fmt.Errorf("exit code %d, want %d\n%s%s", code, want, stdout, stderr)
	}
	return errors.Join(os.WriteFile(w.ts.MkAbs("stdout.txt"), stdout, 0o600), os.WriteFile(w.ts.MkAbs("stderr.txt"), stderr, 0o600))
}

// keysCommand looks at one JSON document in FILE.
func (w *world) keysCommand(args []string) error {
	dec := json.NewDecoder(strings.NewReader(w.ts.ReadFile(args[0])))
	var at any
	if err := dec.Decode(&at); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("more than one JSON document")
	}
	for _, step := range strings.FieldsFunc(args[1], func(r rune) bool { return r == '.' }) {
		if n, err := strconv.Atoi(step); err == nil {
			list, ok := at.([]any)
			if !ok || n >= len(list) {
				return fmt.Errorf("no element %d at %s: %v", n, args[1], at)
			}
			at = list[n]
			continue
		}
		members, _ := at.(map[string]any)
		next, ok := members[step]
		if at = next; !ok {
			return fmt.Errorf("no %s on the way %s in %v", step, args[1], members)
		}
	}
	members, ok := at.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no object: %v", args[1], at)
	}
	for _, key := range args[2:] {
		name, absent := strings.CutPrefix(key, "!")
		if _, ok := members[name]; ok == absent {
			return fmt.Errorf("%s: key %s in %v", args[1], key, members)
		}
	}
	return nil
}

func (w *world) hashCommand(args []string) error {
	text, err := os.ReadFile(w.ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	sum, name := sha256.Sum256(text), strings.Join(args, " ")
	if old, ok := w.hashes[name]; ok && !bytes.Equal(old, sum[:]) {
		return fmt.Errorf("%s changed", args[0])
	}
	w.hashes[name] = sum[:]
	return nil
}

// damageCommand changes a bit a little behind every place where TEXT stands:
// one of them is in use, the others are of pages that were freed since.
func (w *world) damageCommand(args []string) error {
	path := w.ts.MkAbs(args[0])
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	damaged := 0
	for at := 0; ; damaged++ {
		next := bytes.Index(body[at:], []byte(args[1]))
		if next < 0 {
			break
		}
		at += next + len(args[1]) + 20
		body[at] ^= 0x20
	}
	if damaged == 0 {
		return fmt.Errorf("no %q in %s", args[1], args[0])
	}
	return os.WriteFile(path, body, 0o600)
}
