//go:build unix

package regular

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWhatCannotBeReadIsNamedAtOnce(t *testing.T) {
	folder := t.TempDir()
	fifo, closed, gone := filepath.Join(folder, "fifo"), filepath.Join(folder, "closed"), filepath.Join(folder, "gone")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(closed, nil, 0); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(folder, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		fifo:        fifo + " is a folder or a device: give a file",
		folder:      folder + " is a folder or a device: give a file",
		"/dev/zero": "/dev/zero is a folder or a device: give a file",
		gone:        "there is no file " + gone,
		closed:      "this user may not read " + closed,
		loop:        "reading " + loop + ": too many levels of symbolic links",
	} {
		if name == closed && os.Getuid() == 0 {
			continue // root may read it
		}
		if _, err := Read(name, 1); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
