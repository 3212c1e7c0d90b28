package main

import (
	"github.com/soundextract/sx/server/internal/service"
	"github.com/soundextract/sx/server/sx"
)

// minAdminCode is how many characters make a code that nobody guesses.
const minAdminCode = 20

// checkAdmin brings the administrator's name to its stored form and checks the
// code that makes the account.
func checkAdmin(name *string, code string) (err error) {
	if *name != "" {
		if *name, err = sx.UserName(*name); err != nil {
			return service.Invalid("admin", "%v", err).WithHint("%s", sx.AsError(err).Hint)
		}
	}
	switch {
	case code == "":
		return nil
	case *name == "":
		return service.Invalid("admin-code", "it is given without --admin").WithHint("name the administrator with --admin or SX_ADMIN")
	case len(code) < minAdminCode:
		return service.Invalid("admin-code", "it is shorter than %d characters", minAdminCode).
			WithHint("make one with: openssl rand -hex 32")
	}
	return nil
}
