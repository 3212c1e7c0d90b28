// Package backup defines the format of backups: a tar archive that other programs can
// unpack, encrypted to age recipients unless it is piped into a program that encrypts.
// docs/backup.md describes it for those who read one without SoundExtract.
//
// The archive is a strict subset of ustar: each header has one possible form, an entry
// has at most MaxData bytes, and the last entry has the SHA-256 of everything before it.
// So a reader needs little memory, and finds every changed bit.
package backup
