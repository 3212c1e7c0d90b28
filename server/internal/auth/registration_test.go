package auth_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/auth"
	"github.com/soundextract/sx/server/sx"
)

const (
	adminCode = "a code from the installer"
	testCode  = "a code for the test of the chart"
)

func (b *fixture) enroll(t *testing.T, name, code string) error {
	t.Helper()
	_, err := b.Register(t.Context(), api.Credentials{Name: name, Password: password, Invitation: code})
	return err
}

func TestRegistrationModes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		cfg        auth.Config
		user, code string
		want       sx.Code
		admin      bool
	}{
		{"open", auth.Config{}, "bob", "", "", false},
		{"open with a wrong code", auth.Config{}, "bob", "sxi_x", sx.CodeBadInvitation, false},
		{"closed", auth.Config{Registration: auth.RegistrationClosed}, "bob", "", sx.CodeRegistrationClosed, false},
		{"closed with a code", auth.Config{Registration: auth.RegistrationClosed}, "bob", "sxi_x", sx.CodeRegistrationClosed, false},
		{"by invitation without a code", auth.Config{Registration: auth.RegistrationInvitation}, "bob", "", sx.CodeRegistrationClosed, false},
		{
			"a well-formed code that does not exist",
			auth.Config{Registration: auth.RegistrationInvitation},
			"bob", "sxi_" + strings.Repeat("a", 42), sx.CodeBadInvitation, false,
		},
		{"the named administrator", auth.Config{Registration: auth.RegistrationClosed, Admin: "root", AdminCode: adminCode}, "root", adminCode, "", true},
		{"the administrator's name without the code", auth.Config{Admin: "root", AdminCode: adminCode}, "root", "", sx.CodeNameTaken, false},
		{"the administrator's name with a wrong code", auth.Config{Admin: "root", AdminCode: adminCode}, "root", "no", sx.CodeBadInvitation, false},
		{"the same on a closed server", auth.Config{Registration: auth.RegistrationClosed, Admin: "root", AdminCode: adminCode}, "root", "no", sx.CodeRegistrationClosed, false},
		{"the same without a code", auth.Config{Registration: auth.RegistrationClosed, Admin: "root", AdminCode: adminCode}, "root", "", sx.CodeRegistrationClosed, false},
		{"the same by invitation", auth.Config{Registration: auth.RegistrationInvitation, Admin: "root", AdminCode: adminCode}, "root", "", sx.CodeRegistrationClosed, false},
		{"the administrator's name, no code configured", auth.Config{Admin: "root"}, "root", "", sx.CodeNameTaken, false},
		{"the test account", auth.Config{Registration: auth.RegistrationClosed, Admin: "root", AdminCode: adminCode, TestAccount: "smoke-test", TestAccountCode: testCode}, "smoke-test", testCode, "", false},
		{"the test account with the administrator's code", auth.Config{Admin: "root", AdminCode: adminCode, TestAccount: "smoke-test", TestAccountCode: testCode}, "smoke-test", adminCode, sx.CodeBadInvitation, false},
		{"the test account's name without the code", auth.Config{TestAccount: "smoke-test", TestAccountCode: testCode}, "smoke-test", "", sx.CodeNameTaken, false},
		{"another name with the administrator's code", auth.Config{Admin: "root", AdminCode: adminCode}, "bob", adminCode, sx.CodeBadInvitation, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := start(t, func(c *auth.Config) {
				c.Registration, c.Admin, c.AdminCode = tt.cfg.Registration, tt.cfg.Admin, tt.cfg.AdminCode
				c.TestAccount, c.TestAccountCode = tt.cfg.TestAccount, tt.cfg.TestAccountCode
			})
			if got, err := b.Registration(t.Context()); err != nil || got.Mode != cmp.Or(string(tt.cfg.Registration), api.RegistrationOpen) {
				t.Errorf("the mode is %+v, %v", got, err)
			}
			got, err := b.Register(t.Context(), api.Credentials{Name: tt.user, Password: password, Invitation: tt.code})
			wantCode(t, err, tt.want)
			if got.User.Admin != tt.admin {
				t.Errorf("administrator: %v, want %v", got.User.Admin, tt.admin)
			}
			if err == nil { // the same code does not create a second account
				wantCode(t, b.enroll(t, tt.user, tt.code), sx.CodeNameTaken)
			}
		})
	}
}

func TestRegistrationAsASetting(t *testing.T) {
	t.Parallel()
	var r auth.Registration
	for _, text := range []string{"open", "invitation", "closed"} {
		if err := r.Set(text); err != nil || r.String() != text {
			t.Errorf("%s: got %s, %v", text, r, err)
		}
	}
	if err := r.Set("ajar"); err == nil || r != auth.RegistrationClosed {
		t.Errorf("got %s, %v", r, err)
	}
}
