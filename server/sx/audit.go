package sx

import "time"

// AuditEntry records what somebody did to an account, or to all of them.
type AuditEntry struct {
	ID      string // sorts by Time; see store.AuditID
	Time    time.Time
	Actor   string // the name of the account that did it; "" is the server itself
	Action  AuditAction
	Account string // the name of the account that it was done to; "" if there is none yet
	Address string // the client's IP address; "" if it is unknown
	Result  Code   // why it failed; "" if it succeeded
}

// AuditAction is what was done.
type AuditAction string

// The actions that are recorded.
const (
	AuditRegister         AuditAction = "register"
	AuditInvite           AuditAction = "invite"
	AuditRedeemInvitation AuditAction = "redeem_invitation"
	AuditEnable           AuditAction = "enable"
	AuditDisable          AuditAction = "disable"
	AuditChangePassword   AuditAction = "change_password"
	AuditResetPassword    AuditAction = "reset_password" // a code was created
	AuditRecover          AuditAction = "recover"        // a new password was set with it
	AuditDelete           AuditAction = "delete"         // the deletion of an account began
	AuditErase            AuditAction = "erase"          // everything stored for it was deleted
	AuditCreateToken      AuditAction = "create_token"
	AuditRevokeToken      AuditAction = "revoke_token"
	AuditSetLimits        AuditAction = "set_limits"
	AuditLink             AuditAction = "link"           // with the organisation's sign-in
	AuditUnlink           AuditAction = "unlink"         // from it
	AuditApproveDevice    AuditAction = "approve_device" // a program was signed in
	AuditGroupAdmin       AuditAction = "group_admin"    // a group made the account an administrator
	AuditFinishUpgrade    AuditAction = "finish_upgrade" // of the server's data
)
