package sx_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

// TestHintsFitAnyClient checks that no hint of the services names an sx command,
// because the caller may be any HTTP client.
func TestHintsFitAnyClient(t *testing.T) {
	t.Parallel()
	command := regexp.MustCompile(`\bsx [a-z]`)
	hints := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); !ok || method.Sel.Name != "WithHint" || len(call.Args) == 0 {
				return true
			}
			hints++
			ast.Inspect(call.Args[0], func(n ast.Node) bool {
				lit, ok := n.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				if text, err := strconv.Unquote(lit.Value); err != nil || command.MatchString(text) {
					t.Errorf("%s: %s", fset.Position(lit.Pos()), lit.Value)
				}
				return true
			})
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if hints < 20 {
		t.Errorf("found only %d hints: does the test still read the right files?", hints)
	}
	for _, c := range sx.Codes() {
		if command.MatchString(c.Hint()) {
			t.Errorf("%s: %s", c, c.Hint())
		}
	}
}
