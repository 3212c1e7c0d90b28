package backup

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/soundextract/sx/server/sx"
)

// Encrypt returns a writer whose Close ends the encryption; it does not close out.
func Encrypt(out io.Writer, recipients []age.Recipient) (io.WriteCloser, error) {
	w, err := age.Encrypt(out, recipients...)
	if err != nil {
		return nil, sx.NewError(sx.CodeInvalid, "the backup cannot be encrypted to these recipients: %v", err).
			WithHint("use recipients of one kind, as age-keygen prints them").WithCause(err)
	}
	return w, nil
}

// ageMagic begins an encrypted file (https://age-encryption.org/v1).
const ageMagic = "age-encryption.org/"

// maxAgeHeader bounds the recipients of an encrypted file: about a thousand.
const maxAgeHeader = 2 << 20

// Decrypt returns the archive in a file that is encrypted or not.
func Decrypt(in io.Reader, identities []age.Identity) (io.Reader, error) {
	buffered := bufio.NewReaderSize(in, 64<<10)
	if start, err := buffered.Peek(len(ageMagic)); string(start) != ageMagic {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, readError(err)
		}
		return buffered, nil
	}
	if len(identities) == 0 {
		return nil, sx.NewError(sx.CodeInvalid, "the backup is encrypted").
			WithHint("name the file with the key of one of its recipients with --identity")
	}
	limited := &headerReader{in: buffered, left: maxAgeHeader}
	plain, err := age.Decrypt(limited, identities...)
	limited.left = -1
	var wrong *age.NoIdentityMatchError
	switch {
	case errors.As(err, &wrong):
		return nil, sx.NewError(sx.CodeInvalid, "none of the identities can decrypt the backup").
			WithHint("name the file with the key of one of its recipients with --identity").WithCause(err)
	case err != nil && limited.err != nil:
		return nil, readError(limited.err)
	case err != nil:
		return nil, damaged("its age header is invalid: %v", err)
	}
	return &decrypted{limited, plain}, nil
}

// headerReader limits what age reads before it has decrypted anything.
type headerReader struct {
	in   io.Reader
	left int   // bytes; negative is no limit
	err  error // of in, other than io.EOF
}

func (r *headerReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, errors.New("it is too long")
	}
	if r.left > 0 {
		p = p[:min(len(p), r.left)]
	}
	n, err := r.in.Read(p)
	if r.left > 0 {
		r.left -= n
	}
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// decrypted distinguishes a damaged file from one that cannot be read.
type decrypted struct {
	in    *headerReader
	plain io.Reader
}

func (d *decrypted) Read(p []byte) (int, error) {
	n, err := d.plain.Read(p)
	switch {
	case err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return n, err
	case d.in.err != nil:
		return n, readError(d.in.err)
	default:
		return n, damaged("it was changed or is incomplete: %v", err)
	}
}

// readError adds context to the error of a reader, unless it is an *sx.Error.
func readError(err error) error {
	var known *sx.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("read the backup: %w", err)
}
