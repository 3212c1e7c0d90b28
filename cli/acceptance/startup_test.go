package acceptance_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// expensive are the packages that may allocate more than maxInit bytes when sx starts.
// Except for gojq, they are those of Helm and Kubernetes, which sx contains.
var expensive = map[string]bool{
	"github.com/asaskevich/govalidator":        true,
	"github.com/itchyny/gojq":                  true, // for --jq
	"github.com/santhosh-tekuri/jsonschema/v6": true,
	"k8s.io/client-go/kubernetes/scheme":       true,
	"k8s.io/kubectl/pkg/scheme":                true,
	"oras.land/oras-go/v2":                     true,
}

const (
	maxInit = 256 << 10 // bytes that a package may allocate when the program starts
	maxOurs = 512 << 10 // bytes for the packages of this repository together
)

// TestNothingIsInitialisedEarly checks what the packages of sx allocate when it starts, as
// the Go runtime reports it. Unlike the time, this does not depend on the machine.
func TestNothingIsInitialisedEarly(t *testing.T) {
	t.Parallel()
	build(t)
	// With the race detector, a sync.Pool drops at random a quarter of what is put into it, so
	// the least of several starts counts.
	allocated := initialAllocations(t)
	for i := 0; i < 30 && len(excessive(allocated)) > 0; i++ {
		for name, n := range initialAllocations(t) {
			allocated[name] = min(n, allocated[name])
		}
	}
	for _, problem := range excessive(allocated) {
		t.Errorf("%s when sx starts: initialise it when it is needed", problem)
	}
}

// excessive says which packages allocate too much.
func excessive(allocated map[string]int) []string {
	var problems []string
	ours := 0
	for name, n := range allocated {
		if strings.HasPrefix(name, "github.com/soundextract/") {
			ours += n
		}
		if n > maxInit && !expensive[name] {
			problems = append(problems, fmt.Sprintf("%s allocates %d bytes, more than %d,", name, n, maxInit))
		}
	}
	if ours > maxOurs {
		problems = append(problems, fmt.Sprintf("our packages together allocate %d bytes, more than %d,", ours, maxOurs))
	}
	return problems
}

// initialAllocations starts sx and returns the bytes that each package allocates until main runs.
func initialAllocations(t *testing.T) map[string]int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin.Path("sx"), "version")
	cmd.Env = append(append(os.Environ(), bin.Env(t.TempDir())...), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	allocated := map[string]int{}
	for _, line := range regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes, \d+ allocs$`).FindAllStringSubmatch(string(out), -1) {
		n, err := strconv.Atoi(line[2])
		if err != nil {
			t.Fatal(err)
		}
		allocated[line[1]] = n
	}
	if len(allocated) < 50 {
		t.Fatalf("the runtime reported only %d packages:\n%s", len(allocated), out)
	}
	return allocated
}
