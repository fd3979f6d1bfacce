package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// testDebian installs the package into a folder, upgrades it and removes it. The machine stays as it is.
func testDebian(t *testing.T, program, archive string) {
	need(t, "dpkg")
	need(t, "systemd-sysusers")
	t.Run("lintian", func(t *testing.T) {
		if _, err := exec.LookPath("lintian"); err != nil {
			t.Skip("lintian is missing")
		}
		output(t, exec.CommandContext(t.Context(), "lintian", "--allow-root", "--fail-on=error,warning", archive))
	})
	if os.Getuid() != 0 {
		t.Skip("only root may give files to the service's user")
	}
	root := t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	for _, name := range []string{"var/lib/dpkg/status", "var/lib/dpkg/info/format", "etc/passwd", "etc/group"} {
		write(t, at(name), map[string]string{"var/lib/dpkg/info/format": "1\n"}[name], 0o644)
	}
	if err := os.Mkdir(at("var/lib/dpkg/updates"), 0o755); err != nil {
		t.Fatal(err)
	}
	dpkg := func(arguments ...string) {
		t.Helper()
		output(t, exec.CommandContext(t.Context(), "dpkg", append([]string{"--root=" + root, "--log=" + at("dpkg.log"),
			"--force-depends", "--force-script-chrootless"}, arguments...)...))
	}
	exists := func(name string, want bool) {
		t.Helper()
		if _, err := os.Lstat(at(name)); (err == nil) != want {
			t.Errorf("%s: %v; wanted it to exist: %t", name, err, want)
		}
	}
	const configuration = "etc/p2p-messaging/p2p-messaging.toml"
	const wanted = "etc/systemd/system/multi-user.target.wants/p2p-messaging.service"

	dpkg("--install", archive)
	if string(content(t, at("usr/bin/p2p-messaging"))) != string(content(t, program)) {
		t.Error("the package has another program")
	}
	if users := read(t, at("etc/passwd")); !strings.Contains(users, "p2p-messaging:") {
		t.Errorf("the users are %q", users)
	}
	if info, err := os.Stat(at("etc/p2p-messaging")); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the folder of the configuration: %v, %v; wanted it closed to other users", info.Mode(), err)
	}
	exists(wanted, false)
	output(t, exec.CommandContext(t.Context(), "systemctl", "--quiet", "--root="+root, "enable", "p2p-messaging.service", "p2p-messaging.socket"))
	exists(wanted, true)

	write(t, at(configuration), "port = 8080\n", 0o640)
	write(t, at("var/lib/p2p-messaging/key"), "a key", 0o600)
	dpkg("--install", archive)
	if kept := read(t, at(configuration)); kept != "port = 8080\n" {
		t.Errorf("after an upgrade the configuration is %q", kept)
	}
	exists(wanted, true)

	dpkg("--remove", "p2p-messaging")
	exists("usr/bin/p2p-messaging", false)
	exists(wanted, false)
	exists(configuration, true)
	exists("var/lib/p2p-messaging/key", true)

	dpkg("--purge", "p2p-messaging")
	exists("etc/p2p-messaging", false)
	exists("var/lib/p2p-messaging", false)
}
