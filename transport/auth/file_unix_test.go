//go:build unix

package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAFileOfKeysIsAFile covers files that would hold up the service, or that it may not read: at its start and while it runs.
func TestAFileOfKeysIsAFile(t *testing.T) {
	folder := t.TempDir()
	fifo, closed := filepath.Join(folder, "fifo"), filepath.Join(folder, "closed")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(closed, []byte(testSecret), 0); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{fifo: "is a folder or a device", closed: "this user may not read"} {
		if path == closed && os.Getuid() == 0 {
			continue // root may read it
		}
		for flag, o := range map[string]Options{"--auth-jwt-secret": {SecretFile: path}, "--auth-jwt-jwks": {JWKS: path}} {
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), flag) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %s: %v; want %q", flag, path, err, want)
			}
		}
		running := write(t, "secret", []byte(testSecret))
		a, log := start(t, Options{SecretFile: running})
		if err := os.Rename(path, running); err != nil {
			t.Fatal(err)
		}
		if err := a.Reload(); err == nil || !strings.Contains(log.String(), want) {
			t.Errorf("%s, while the service runs: %v, logged: %s", path, err, log)
		}
		wantHolds(t, a, "alice", hs256(t, claimsOf(nil)))
	}
}
