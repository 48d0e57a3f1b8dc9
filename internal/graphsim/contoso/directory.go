package contoso

import (
	"fmt"
	"strings"

	"github.com/cadrift/cadrift/internal/graphsim"
)

// travellers is the excluded group that the script fills.
const travellers = "Travelling staff"

// crowd are the people whom the script exempts.
func crowd() []string {
	var names []string
	for i := range 12 {
		names = append(names, fmt.Sprintf("Sales %02d", i+1))
	}
	return names
}

// populate puts the people, groups and apps that the policies name into the
// directory.
func populate(t *graphsim.Tenant) {
	user := func(name string) {
		t.AddUser(ID(name), strings.ToLower(strings.ReplaceAll(name, " ", "."))+"@contoso.example", name)
	}
	for _, name := range append(crowd(), "Alex", "Sam", "Kim", "Robin", "Charlie", "Emergency account 1", "Emergency account 2") {
		user(name)
	}
	for _, name := range []string{
		"Scan to mail", "Meeting rooms", "Service accounts", "Directory sync", "Admin workstation pilot", "Break-glass drill",
		"All staff", "Finance", "Payroll", "Research", "Developers", "Board", "IT", "Per-user MFA",
	} {
		user(name + " account")
		t.AddGroup(ID(name), name, ID(name+" account"), ID("Robin"))
	}
	t.AddGroup(ID("Conference visitors"), "Conference visitors", ID("Charlie"))
	t.AddGroup(ID(travellers), travellers, ID("Conference visitors"))
	for _, name := range []string{"Ledger", "Treasury", "Payroll", "Lab notebook", "Source code", "File exchange", "VPN"} {
		t.AddPrincipal(ID(name+" service principal"), ID(name), name, TenantID)
	}
	for _, name := range []string{"Release pipeline", "Backup agent"} {
		t.AddPrincipal(ID(name), ID(name+" app"), name, TenantID)
	}
}
