package deploy

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// units returns a root folder with the units and with what they lean on.
func units(t *testing.T) string {
	root := t.TempDir()
	folder := filepath.Join(root, "usr/lib/systemd/system")
	for _, name := range []string{"p2p-messaging.service", "p2p-messaging.socket"} {
		write(t, filepath.Join(folder, name), read(t, filepath.Join("systemd", name)), 0o644)
	}
	for _, target := range []string{"sysinit", "basic", "shutdown", "multi-user", "sockets", "network-online"} {
		write(t, filepath.Join(folder, target+".target"), "[Unit]\nDescription="+target+"\n", 0o644)
	}
	for _, program := range []string{"usr/bin/p2p-messaging", "bin/kill"} {
		write(t, filepath.Join(root, program), "", 0o755)
	}
	return root
}

// verify returns what systemd-analyze finds wrong with the units below root.
func verify(t *testing.T, root string) string {
	t.Helper()
	found, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", "--root", root, "p2p-messaging.service", "p2p-messaging.socket").CombinedOutput()
	if err != nil {
		return string(found) + err.Error()
	}
	return string(found)
}

func TestSystemdTakesTheUnits(t *testing.T) {
	need(t, "systemd-analyze")
	root := units(t)
	if found := verify(t, root); found != "" {
		t.Errorf("systemd-analyze says:\n%s", found)
	}
	unit := filepath.Join(root, "usr/lib/systemd/system/p2p-messaging.service")
	for _, wrong := range []string{"NoNewPriviliges=yes", "WatchdogSec=often", "ExecReload=/bin/none"} {
		write(t, unit, strings.Replace(read(t, "systemd/p2p-messaging.service"), "[Service]\n", "[Service]\n"+wrong+"\n", 1), 0o644)
		if verify(t, root) == "" {
			t.Errorf("systemd-analyze says nothing about %s", wrong)
		}
	}
}

func TestTheServiceIsConfined(t *testing.T) {
	need(t, "systemd-analyze")
	const most = "20" // tenths: an exposure of 2.0
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold="+most, "systemd/p2p-messaging.service").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	capabilities := settings(read(t, "systemd/p2p-messaging.service"))
	for _, key := range []string{"AmbientCapabilities", "CapabilityBoundingSet"} {
		if want := []string{"CAP_NET_BIND_SERVICE"}; !slices.Equal(capabilities[key], want) {
			t.Errorf("%s is %q; wanted %q, for the ports below 1024", key, capabilities[key], want)
		}
	}
}

// end is how long the service takes to end, at most: see package service.
const end = 5 * time.Second

func TestTheUnitFitsTheLifeOfTheService(t *testing.T) {
	unit := settings(read(t, "systemd/p2p-messaging.service"))
	for key, want := range map[string]string{
		"Type":           "notify",
		"ExecReload":     "/bin/kill -HUP $MAINPID",
		"StateDirectory": "p2p-messaging",
		"Environment":    "XDG_STATE_HOME=/var/lib",
		"User":           "p2p-messaging",
		"Restart":        "on-failure",
	} {
		if !slices.Equal(unit[key], []string{want}) {
			t.Errorf("%s is %q; wanted %q", key, unit[key], want)
		}
	}
	if never := unit["RestartPreventExitStatus"]; never != nil {
		t.Errorf("after the status %q systemd does not start the program again; but a panic ends it with 2, and so does the watchdog", never)
	}
	for key, least := range map[string]time.Duration{"TimeoutStopSec": end + 5*time.Second, "WatchdogSec": 10 * time.Second} {
		if given, err := time.ParseDuration(strings.Join(unit[key], "")); err != nil || given < least {
			t.Errorf("%s is %q; wanted %v or more", key, unit[key], least)
		}
	}
}

func TestTheUserOfTheUnitIsMade(t *testing.T) {
	need(t, "systemd-sysusers")
	root := t.TempDir()
	write(t, filepath.Join(root, "usr/lib/sysusers.d/p2p-messaging.conf"), read(t, "systemd/p2p-messaging.sysusers"), 0o644)
	write(t, filepath.Join(root, "etc/passwd"), "", 0o644)
	output(t, exec.CommandContext(t.Context(), "systemd-sysusers", "--root", root))
	made := read(t, filepath.Join(root, "etc/passwd"))
	if !regexp.MustCompile(`(?m)^p2p-messaging:.*:/var/lib/p2p-messaging:/usr/sbin/nologin$`).MatchString(made) {
		t.Errorf("the users are %q; wanted p2p-messaging", made)
	}
}
