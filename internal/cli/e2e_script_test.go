package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/graphsim"
)

// TestScripts runs the command tests: testdata/script/*.txtar. What cadrift
// runs against is the simulated cloud of [stage], and these commands:
//
//	graphsim TENANT...        serve the tenants, write cadrift.yaml, ca.pem and secret
//	configure                 write cadrift.yaml anew from tenant.yaml and top.yaml, if there are any
//	admin VERB KIND ID BODY   create, patch, delete or restore an object of contoso
//	fault NAME                let an answer of Graph go wrong; "none" ends it
//	receiver [STATUS]         start a webhook receiver, $HOOK; or set what it answers
//	received N [PATTERN]      wait for N deliveries that match
//	daemon start|ready|passes|hup|stop|kill
//	fetch URL FILE            GET a page; ! expects a status of 400 or more
//	until PATTERN PROGRAM...  repeat a program until its output matches
//	keys PATH KEY...          the last output is JSON and has the keys there, "prefix !KEY" not
//	code N PROGRAM...         the program ends with that exit code
//	hash FILE                 print nothing, fail when FILE changed since the last hash
//	damage FILE OFFSET        turn a byte over
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			e.Values[worldKey{}] = &world{hashes: map[string][]byte{}}
			e.Setenv("CADRIFT_CONFIG", "cadrift.yaml")
			for name, value := range map[string]string{"CA001": ca001, "CA002": ca002, "CA003": ca003, "HQ": hq, "VERSION": version} {
				e.Setenv(name, value)
			}
			e.Defer(e.Values[worldKey{}].(*world).end)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"graphsim":  (*world).graphsimCommand.in,
			"configure": (*world).configureCommand.in,
			"admin":     (*world).adminCommand.in,
			"fault":     (*world).faultCommand.in,
			"receiver":  (*world).receiverCommand.in,
			"received":  (*world).receivedCommand.in,
			"daemon":    (*world).daemonCommand.in,
			"fetch":     (*world).fetchCommand.in,
			"until":     (*world).untilCommand.in,
			"keys":      (*world).keysCommand.in,
			"code":      (*world).codeCommand.in,
			"hash":      (*world).hashCommand.in,
			"damage":    (*world).damageCommand.in,
		},
	})
}
