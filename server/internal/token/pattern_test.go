package token_test

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

	"github.com/soundextract/sx/server/api"
	secrets "github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

var pattern = regexp.MustCompile("^(?:" + api.SecretPattern + ")$")

// TestSecretPattern checks that the pattern by which support bundles find secrets matches
// those that are created here.
func TestSecretPattern(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		secrets.NewSecret(api.TokenPrefix, sx.NewID()), secrets.NewSecret(api.InvitationPrefix, sx.NewID()), secrets.NewSecret(api.ResetPrefix, sx.NewID()),
		secrets.NewSecret(api.BrowserPrefix, sx.NewID()), secrets.NewSecret(api.BrowserCodePrefix, sx.NewID()), secrets.NewSecret(api.SharePrefix, sx.NewID()), secrets.NewSecret(api.FeedPrefix, sx.NewID()),
		secrets.NewOwner(), api.WebhookSecret(make([]byte, 24)),
	} {
		if !pattern.MatchString(secret) {
			t.Errorf("%s is not recognized as a secret", secret)
		}
	}
	for _, text := range []string{"sxp_…", "sxi_", sx.NewID(), sx.NewID() + ".mp3"} {
		if pattern.MatchString(text) {
			t.Errorf("%s is taken for a secret", text)
		}
	}
}

// TestSecretPrefixes checks that the code has no prefix of a secret that the pattern
// does not know.
func TestSecretPrefixes(t *testing.T) {
	t.Parallel()
	prefix, found := regexp.MustCompile("^(sx[a-z]|wh[a-z]+)_$"), 0
	for _, root := range []string{"../../../server", "../../../cli", "../../../install"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				if text, err := strconv.Unquote(literal.Value); err == nil && prefix.MatchString(text) {
					found++
					if !pattern.MatchString(text + strings.Repeat("a", 26)) {
						t.Errorf("%s: api.SecretPattern lacks the prefix %s", path, text)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 4 {
		t.Errorf("found %d prefixes, want at least 4", found)
	}
}
