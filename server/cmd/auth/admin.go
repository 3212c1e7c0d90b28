package main

import (
	"github.com/soundextract/sx/server/internal/service"
	"github.com/soundextract/sx/server/sx"
)

// minAdminCode is the minimum length of a code, against guessing.
const minAdminCode = 20

// checkAdmin normalizes the administrator's name and validates the code with which the
// account is created.
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
		return service.Invalid("admin-code", "requires --admin").WithHint("set --admin or SX_ADMIN to the name of the administrator")
	case len(code) < minAdminCode:
		return service.Invalid("admin-code", "shorter than %d characters", minAdminCode).
			WithHint("generate one with: openssl rand -hex 32")
	}
	return nil
}
