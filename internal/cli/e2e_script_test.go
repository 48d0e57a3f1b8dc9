package cli_test

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the command tests: testdata/script/*.txtar. What cadrift
// runs against is the simulated cloud of [stage], and these commands:
//
//	graphsim TENANT...        serve the tenants, write cadrift.yaml, ca.pem and secret
//	configure                 write cadrift.yaml anew from tenant.yaml and top.yaml, if there are any
//	admin VERB KIND ID BODY   create, patch, delete, restore, reorder
//	fault NAME                let an answer of Graph go wrong; "none" ends it
//	receiver [STATUS]         start a webhook receiver, $HOOK; or set what it answers
//	receiver hold|release     let it keep its answers back
//	received N [PATTERN]      wait for N deliveries that match
//	daemon start|ready|passes N|hup|stop|interrupt|kill
//	fetch URL FILE            GET a page; ! expects a status of 400 or more
//	until PATTERN PROGRAM...  repeat a program until its output matches
//	keys FILE PATH KEY...     FILE is one JSON document with the keys at the path; !KEY is absent
//	code N PROGRAM...         the program ends with that code, output in stdout.txt and stderr.txt;
//	                          with "quickly" before it, soon
//	hash FILE [LABEL]         fail when FILE changed since the last hash of that label
//	damage FILE TEXT          change a bit of what follows TEXT, wherever it stands
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
			"graphsim":  in((*world).graphsimCommand),
			"configure": in((*world).configureCommand),
			"admin":     in((*world).adminCommand),
			"fault":     in((*world).faultCommand),
			"receiver":  in((*world).receiverCommand),
			"received":  in((*world).receivedCommand),
			"daemon":    in((*world).daemonCommand),
			"fetch":     in((*world).fetchCommand),
			"until":     in((*world).untilCommand),
			"keys":      in((*world).keysCommand),
			"code":      in((*world).codeCommand),
			"hash":      in((*world).hashCommand),
			"damage":    in((*world).damageCommand),
		},
	})
}
