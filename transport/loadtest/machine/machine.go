// Package machine reads what the operating system knows about this machine, this process and the service's process.
package machine

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"

	"p2p-messaging/transport/loadtest/figures"
)

// Describe returns a description of the machine that this program runs on, as far as it can be found out.
func Describe() figures.Machine {
	m := figures.Machine{System: runtime.GOOS + "/" + runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	m.Name, _ = os.Hostname()
	// These files exist on Linux only. Elsewhere less is known.
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System = "Linux " + strings.TrimSpace(string(release)) + ", " + runtime.GOARCH
	}
	m.CPU = procField("/proc/cpuinfo", "model name")
	if kilobytes, found := strings.CutSuffix(procField("/proc/meminfo", "MemTotal"), " kB"); found {
		n, _ := strconv.ParseInt(kilobytes, 10, 64)
		m.Memory = n << 10
	}
	return m
}

// procField returns the value of the first line of the form "name: value" in a file. It is empty if there is none.
func procField(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
