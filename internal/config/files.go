package config

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strings"

	"github.com/cadrift/cadrift/internal/drift"
)

// secretPrefix starts every Standard Webhooks secret.
const secretPrefix = "whsec_"

// notAFileName tells of a value that is plainly something else, most often the
// secret itself in the place of its file's name.
func notAFileName(key, value string) *Problem {
	switch {
	case strings.Contains(value, "://"):
		p := &Problem{Text: key + " takes the name of a file, not an address"}
		if key == "url_file" {
			p.Hint = "an address in this file itself is given with url"
		}
		return p
	case strings.HasPrefix(value, secretPrefix), strings.Contains(value, "-----BEGIN"):
		return &Problem{Text: key + " takes the name of a file, not what is in it", Hint: "write it into a file and name the file"}
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return &Problem{Text: key + " is not the name of a file: it holds control characters"}
	}
	return nil
}

// bareSecret finds what Entra and others issue as secrets: long, one word,
// letters and digits mixed.
func bareSecret(value string) bool {
	return len(value) >= 24 && !strings.ContainsAny(value, `/\`) && strings.ContainsAny(value, "0123456789") &&
		strings.ContainsAny(strings.ToLower(value), "abcdefghijklmnopqrstuvwxyz")
}

// readFile reads a file that the configuration names, or tells why not. A
// secret that everybody can read earns a warning. Without a look outside, and
// after a problem, it is nil.
func (l *loader) readFile(path, name string, secret bool) []byte {
	if !l.outside {
		return nil
	}
	data, mode, err := readNamed(name)
	if err == nil && len(bytes.TrimSpace(data)) == 0 {
		l.problem(path, "%s %s is empty", lastKey(path), drift.Visible(name))
		return nil
	}
	if err != nil {
		l.noFile(path, name, err)
		return nil
	}
	if secret && runtime.GOOS != "windows" && mode.Perm()&0o004 != 0 {
		l.warn(path, "%s %s can be read by everybody on this machine (mode %04o)", lastKey(path), drift.Visible(name), mode.Perm())
	}
	return data
}

func (l *loader) noFile(path, name string, err error) {
	key, hint := lastKey(path), ""
	switch base := name[strings.LastIndexAny(name, `/\`)+1:]; {
	case errors.Is(err, fs.ErrNotExist) && bareSecret(base):
		l.problemHint(path, "if this is the secret itself, write it into a file and name the file",
			"%s names a file that does not exist (its name is not repeated here: it may be a secret)", key)
		return
	case strings.Contains(name, "$"):
		hint = "variables are not expanded in this file"
	case errors.Is(err, fs.ErrNotExist):
		hint = "make the file, or correct its name; relative names start at " + drift.Visible(l.dir)
	case errors.Is(err, fs.ErrPermission):
		hint = "let the user that runs cadrift read it"
	}
	l.problemHint(path, hint, "cannot read %s %s: %s", key, drift.Visible(name), reason(err))
}

// readNamed reads a regular file of a sensible size. A pipe or a device would
// block the daemon, now or when the file is read again.
func readNamed(name string) ([]byte, fs.FileMode, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case info.IsDir():
		return nil, 0, errors.New("it is a directory")
	case !info.Mode().IsRegular():
		return nil, 0, errors.New("it is not a regular file")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = fmt.Errorf("it is larger than %d KiB", maxSize>>10)
	}
	return data, info.Mode(), err
}

// directory tells whether a directory is there, and complains when something
// else is.
func (l *loader) directory(path, name string) bool {
	if !l.outside {
		return true
	}
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		l.problem(path, "%s %s is not a directory", lastKey(path), drift.Visible(name))
	}
	return err == nil
}

// certificates checks a file of CA certificates.
func (l *loader) certificates(path, name string) {
	data := l.readFile(path, name, false)
	if data != nil && !x509.NewCertPool().AppendCertsFromPEM(data) {
		l.problemHint(path, "one or more blocks that start with -----BEGIN CERTIFICATE-----",
			"%s %s holds no certificate in PEM form", lastKey(path), drift.Visible(name))
	}
}

var (
	envForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// envUsual is how variables are named by custom; anything else may be the
	// secret itself and is not repeated.
	envUsual = regexp.MustCompile(`^[A-Z_][A-Z0-9_]{0,39}$`)
)

func (l *loader) checkEnv(path, name string) {
	switch key := lastKey(path); {
	case !envForm.MatchString(name):
		l.problemHint(path, "write the secret into the variable and the variable's name here", "%s is not the name of an environment variable", key)
	case !l.outside || strings.TrimSpace(os.Getenv(name)) != "":
	case envUsual.MatchString(name):
		l.problem(path, "the environment variable %s is not set, or empty", name)
	default:
		l.problem(path, "the environment variable that %s names is not set, or empty", key)
	}
}
