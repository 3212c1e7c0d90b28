package sx_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/soundextract/sx/server/sx"
)

func TestErrorsIsTestsIdentity(t *testing.T) {
	t.Parallel()
	sentinel := sx.NewError(sx.CodeConflict, "the record was changed")
	other := sx.NewError(sx.CodeConflict, "the record was changed")
	cause := errors.New("no route to host")
	for name, err := range map[string]error{
		"itself":          sentinel,
		"another hint":    sentinel.WithHint("read it again"),
		"another message": sentinel.WithMessage("job %s was changed", "x"),
		"with a cause":    sentinel.WithCause(cause),
		"all of them":     sentinel.WithHint("x").WithMessage("y").WithCause(cause),
		"wrapped":         fmt.Errorf("x: %w", sentinel.WithHint("z")),
		"as a cause":      other.WithCause(sentinel),
	} {
		if !errors.Is(err, sentinel) {
			t.Errorf("%s: errors.Is does not find the sentinel", name)
		}
		if name != "as a cause" && errors.Is(err, other) {
			t.Errorf("%s: errors.Is takes another error of the same code for the sentinel", name)
		}
	}
	if !errors.Is(sentinel.WithCause(cause), cause) {
		t.Error("the cause is not found")
	}
	if !errors.Is(sentinel, sentinel.WithHint("a copy")) {
		t.Error("the sentinel does not match a copy of itself")
	}
}

// foreign is an error of another type that has a code.
type foreign struct{}

func (foreign) Error() string      { return "no answer" }
func (foreign) ErrorCode() sx.Code { return sx.CodeUnreachable }

func TestCodes(t *testing.T) {
	t.Parallel()
	conflict := sx.NewError(sx.CodeConflict, "done")
	for _, tt := range []struct {
		err  error
		want sx.Code
	}{
		{nil, ""},
		{conflict, sx.CodeConflict},
		{fmt.Errorf("x: %w", conflict), sx.CodeConflict},
		{foreign{}, sx.CodeUnreachable},
		{fmt.Errorf("x: %w", foreign{}), sx.CodeUnreachable},
		{conflict.WithCause(foreign{}), sx.CodeConflict},
		{errors.New("boom"), sx.CodeInternal},
	} {
		if got := sx.CodeOf(tt.err); got != tt.want {
			t.Errorf("%v has the code %q, want %q", tt.err, got, tt.want)
		}
	}
	if e := sx.AsError(foreign{}); e.Message != "no answer" || !errors.Is(e, foreign{}) {
		t.Errorf("a foreign error became %+v", e)
	}
}
