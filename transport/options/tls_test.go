package options

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOptionsOfTLSThatNeverWorkAreNamed(t *testing.T) {
	for arguments, want := range map[string]string{
		"--tls-cert=c": "--tls-cert needs --tls-key",
		"--tls-key=k":  "--tls-key needs --tls-cert",
		"--domain=a.org --tls-cert=c --tls-key=k":        "exclude each other",
		"--domain=a.org --tls-key=k":                     "exclude each other",
		"--acme-directory=https://ca.test/dir":           "--acme-directory is for certificates by ACME: give --domain too",
		"--acme-ca=f --tls-cert=c --tls-key=k":           "--acme-ca is for certificates by ACME: give --domain too",
		"--acme-email=a@b.org":                           "--acme-email is for certificates by ACME: give --domain too",
		"--state-dir=/x":                                 "give --domain or --peerjs too",
		"--http-redirect=:80":                            "--http-redirect redirects to https, and there is none",
		"--domain=a.org --http-redirect=80":              "--http-redirect: \"80\" is no address",
		"--domain=a.org --http-redirect=:http":           "is no address",
		"--domain=a.org --http-redirect=:443":            "port 443 is that of the service",
		"--domain=a.org --port=80 --http-redirect=:80":   "port 80 is that of the service",
		"--domain=*.a.org":                               "wildcard",
		"--domain=a.org,192.0.2.1":                       "is an address",
		"--domain=localhost":                             "this machine",
		"--domain=a.org --acme-directory=http://ca.test": "no https URL",
		"--domain=a.org --acme-directory=ca.test":        "no https URL",
		"--domain=a.org --acme-email=me":                 "no mail address",
	} {
		var usage *UsageError
		if err := parse(t, strings.Fields(arguments)...).Check(); !errors.As(err, &usage) || !strings.Contains(usage.Reason, want) {
			t.Errorf("%s: %v; wanted a UsageError with %q", arguments, err, want)
		}
	}
	for _, arguments := range []string{
		"--domain=a.org", "--domain=a.org,b.org --domain=Ü.org", "--tls-cert=c --tls-key=k --http-redirect=:80", "--http-redirect=off",
		"--domain=chat.lan --acme-directory=https://ca.lan/acme", "--domain=a.org --http-redirect=127.0.0.1:8080",
	} {
		if err := parse(t, strings.Fields(arguments)...).Check(); err != nil {
			t.Errorf("%s: %v; wanted it taken", arguments, err)
		}
	}
}

func TestWithADomainThePortIs443AndBrowsersRememberHTTPS(t *testing.T) {
	for arguments, want := range map[string]int{"": 7777, "--domain=a.org": 443, "--domain=a.org --port=7777": 7777, "--tls-cert=c --tls-key=k": 7777, "--port=0": 0} {
		f := parse(t, strings.Fields(arguments)...)
		if got := f.port(); got != want {
			t.Errorf("with %q the port is %d; wanted %d", arguments, got, want)
		}
		if got := f.Transport(nil, nil).StrictTransport > 0; got != (len(f.Domain) > 0) {
			t.Errorf("with %q browsers remember https: %v", arguments, got)
		}
	}
}

func TestTheStateDirectoryFollowsXDG(t *testing.T) {
	f := parse(t, "--domain=a.org")
	home := t.TempDir()
	t.Setenv("HOME", home)
	for state, want := range map[string]string{
		"": home + "/.local/state/p2p-messaging", "relative": home + "/.local/state/p2p-messaging", "/var/state": "/var/state/p2p-messaging",
	} {
		t.Setenv("XDG_STATE_HOME", state)
		if got, err := f.stateDir(); got != want || err != nil {
			t.Errorf("with XDG_STATE_HOME=%q it is %q, %v; wanted %q", state, got, err, want)
		}
	}
	t.Setenv("HOME", "")
	t.Setenv("XDG_STATE_HOME", "")
	if got, err := f.stateDir(); err == nil || !strings.Contains(err.Error(), "--state-dir") {
		t.Errorf("without a home it is %q, %v; wanted an error that names --state-dir", got, err)
	}
}

func TestFilesThatCannotBeUsedAreUsageErrors(t *testing.T) {
	logger, dir := slog.New(slog.DiscardHandler), t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for arguments, want := range map[string]string{
		"--tls-cert=" + dir + "/none --tls-key=" + file:              "there is no file",
		"--tls-cert=" + file + " --tls-key=" + file:                  "no whole certificate",
		"--domain=a.org --state-dir=" + file:                         "--state-dir: the folder",
		"--domain=a.org --state-dir=" + dir + "/s --acme-ca=" + file: "no certificate in PEM form",
		"--domain=a.org --state-dir=" + dir + "/s --acme-ca=" + dir:  "is a folder",
	} {
		var usage *UsageError
		if _, err := parse(t, strings.Fields(arguments)...).Certificates(logger); !errors.As(err, &usage) || !strings.Contains(usage.Reason, want) {
			t.Errorf("%s: %v; wanted a UsageError with %q", arguments, err, want)
		}
	}
	if c, err := parse(t).Certificates(logger); c != nil || err != nil {
		t.Errorf("without TLS the certificates are %v, %v; wanted none", c, err)
	}
}

func TestARedirectThatWasAskedForMustBePossible(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f := parse(t, "--domain=a.org", "--http-redirect="+taken.Addr().String())
	if l, err := f.ListenRedirect(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "it is in use") {
		t.Errorf("at an address in use: %v, %v; wanted an error that says so", l, err)
	}
	var warned strings.Builder
	unasked := parse(t, "--domain=a.org", "--host=203.0.113.1")
	if l, err := unasked.ListenRedirect(slog.New(slog.NewTextHandler(io.Writer(&warned), nil))); l != nil || err != nil || !strings.Contains(warned.String(), "level=WARN") {
		t.Errorf("at an address that this machine does not have, unasked: %v, %v, log %q; wanted a warning", l, err, &warned)
	}
	if l, err := parse(t, "--domain=a.org", "--http-redirect=off").ListenRedirect(nil); l != nil || err != nil {
		t.Errorf("switched off: %v, %v; wanted nothing", l, err)
	}
}
