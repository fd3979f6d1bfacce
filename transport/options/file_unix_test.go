//go:build unix

package options

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatIsNoRegularFileIsRefusedAtOnce(t *testing.T) {
	folder := t.TempDir()
	fifo, closed := filepath.Join(folder, "fifo"), filepath.Join(folder, "closed")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(closed, nil, 0); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		fifo:                            "is a folder or a device: give a file",
		folder:                          "is a folder or a device: give a file",
		"/dev/zero":                     "is a folder or a device: give a file",
		filepath.Join(folder, "nobody"): "--config: there is no file ",
		closed:                          "this user may not read ",
	} {
		if path == closed && os.Getuid() == 0 {
			continue // root may read it
		}
		if _, _, err := parsePath(t, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", path, err, want)
		}
	}
}
