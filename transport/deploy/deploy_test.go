// Package deploy has no code of its own. Its tests check the ways in which the program is delivered: the container image, the
// units for systemd, the manifests for Kubernetes and the Debian package.
package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// long skips a test that takes many seconds, unless P2P_TEST_LONG asks for it. The race detector would find nothing in it: it
// runs other programs.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("P2P_TEST_LONG") == "" { // .ci/run sets it
		t.Skip("without P2P_TEST_LONG")
	}
	if raceEnabled {
		t.Skip("with the race detector")
	}
}

// need skips a test if a program is missing. Where .ci/run has installed it, the test fails instead.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: .ci/run installs it", program)
	}
	t.Skipf("%s is missing", program)
}

// output runs a command to its end and returns what it prints on stdout. It fails the test if the command fails.
func output(t *testing.T, c *exec.Cmd) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%s: %v\n%s%s", c, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes()
}

// tool returns a command of the module in the folder tools.
func tool(t *testing.T, name string, arguments ...string) *exec.Cmd {
	return exec.CommandContext(t.Context(), "go", append([]string{"-C", "tools", "run", "./" + name}, arguments...)...)
}

// read returns a file of this folder.
func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// write writes a file in a folder of the test, and makes the folders that are missing.
func write(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// settings returns the lines KEY=VALUE of a unit file, with all values of each key.
func settings(unit string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(unit) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			all[key] = append(all[key], value)
		}
	}
	return all
}
