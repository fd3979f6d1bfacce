package options

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAFileOfTokensHasOneOnEachLine(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	o := Options{TokenFile: file("good", "\n one\r\n\ttwo words \n\nthree")}
	if tokens, err := o.Tokens(); err != nil || !slices.Equal(tokens, []string{"one", "two words", "three"}) {
		t.Errorf("the tokens are %q, %v", tokens, err)
	}
	if tokens, err := (Options{}).Tokens(); tokens != nil || err != nil {
		t.Errorf("without a file the tokens are %q, %v", tokens, err)
	}
	for path, want := range map[string]string{
		file("empty", " \n\n"):                               "there is no token",
		file("long", "one\n"+strings.Repeat("x", 8193)+"\n"): "line 2 is longer",
		file("binary", "one\n\n\xff\n"):                      "line 3 is no text",
		folder:                                               "is a folder or a device",
		filepath.Join(folder, "none"):                        "there is no file",
	} {
		_, err := Options{TokenFile: path}.Tokens()
		if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--token-file") || strings.Count(err.Error(), path) != 1 {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}
