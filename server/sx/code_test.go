package sx_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

// TestClassification checks that every declared code is in the table, and that
// no row contradicts itself.
func TestClassification(t *testing.T) {
	t.Parallel()
	all := slices.Concat(sx.Codes(), sx.ClientCodes())
	slices.Sort(all)
	if declared := declaredCodes(t); !slices.Equal(all, declared) {
		t.Errorf("the table has the codes\n%v, declared are\n%v", all, declared)
	}
	exits := []int{
		sx.ExitFailure, sx.ExitUsage, sx.ExitBadInput, sx.ExitUnreachable,
		sx.ExitTryAgain, sx.ExitNotAllowed, sx.ExitProblems, sx.ExitInterrupted,
	}
	for _, c := range all {
		if s := c.Status(); s < 400 || s > 599 || s == 500 && c != sx.CodeInternal && slices.Contains(sx.Codes(), c) {
			t.Errorf("%s has the status %d", c, s)
		}
		if !slices.Contains(exits, c.ExitCode()) {
			t.Errorf("%s has the exit code %d", c, c.ExitCode())
		}
		if (c.Hint() == "") == slices.Contains(sx.Codes(), c) || strings.HasSuffix(c.Hint(), ".") {
			t.Errorf("%s has the hint %q", c, c.Hint())
		}
		if c.Permanent() && (c.Retryable() || c.StopsBatch() || c.Resync()) {
			t.Errorf("%s is caused by the file and by the server at once", c)
		}
	}
	future := sx.Code("from_the_future")
	if future.Status() != 500 || future.ExitCode() != sx.ExitFailure || future.Hint() != "" ||
		future.Retryable() || future.Permanent() || future.StopsBatch() || future.Resync() {
		t.Error("an unknown code is classified")
	}
}

// declaredCodes reads the constants of type Code, in alphabetical order.
func declaredCodes(t *testing.T) []sx.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []sx.Code
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		kind, ok := spec.Type.(*ast.Ident)
		if !ok || kind.Name != "Code" {
			return true
		}
		name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, sx.Code(name))
		return true
	})
	slices.Sort(codes)
	return codes
}
