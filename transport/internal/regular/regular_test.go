package regular

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestAFileOfTheLargestSizeIsRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	for size, want := range map[int]string{0: "", 2048: "", 2049: name + " is larger than 2 KiB"} {
		written := bytes.Repeat([]byte("x"), size)
		if err := os.WriteFile(name, written, 0o600); err != nil {
			t.Fatal(err)
		}
		content, err := Read(name, 2048)
		switch {
		case want == "" && (err != nil || !bytes.Equal(content, written)):
			t.Errorf("of %d bytes, %d are read: %v", size, len(content), err)
		case want != "" && (err == nil || err.Error() != want):
			t.Errorf("%d bytes: %v, want %q", size, err, want)
		}
	}
}

func TestWhatHasNoSizeInUnitsIsCountedInBytes(t *testing.T) {
	for bytes, want := range map[int]string{1 << 30: "1 GiB", 3 << 20: "3 MiB", 256 << 10: "256 KiB", 1025: "1025 bytes"} {
		if got := size(bytes); got != want {
			t.Errorf("%d bytes are %q, want %q", bytes, got, want)
		}
	}
}
