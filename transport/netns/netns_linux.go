package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace without a name. It goes away with this process and those inside it.
type Namespace struct {
	// file keeps the namespace. Other programs find the namespace by this file's path.
	file *os.File
}

// New makes a namespace that has no interface but loopback, and no IPv6.
func New() (*Namespace, error) {
	n := new(Namespace)
	err := onOwnThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, err
	}
	err = n.Do(func() error {
		for _, name := range []string{
			// The kernel would add IPv6 addresses by itself, and with them a second path.
			"ipv6/conf/all/disable_ipv6", "ipv6/conf/default/disable_ipv6",
		} {
			if err := writeSysctl(name, "1"); err != nil && !errors.Is(err, fs.ErrNotExist) { // This kernel has no IPv6.
				return err
			}
		}
		return errors.Join(writeSysctl("ipv4/conf/all/rp_filter", "0"), writeSysctl("ipv4/conf/default/rp_filter", "0"))
	})
	if err == nil {
		err = n.IP("link set lo up")
	}
	if err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// writeSysctl sets a kernel parameter of the thread's namespace.
func writeSysctl(name, value string) error {
	return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0)
}

// Close lets the namespace go. It ends with the last process in it.
func (n *Namespace) Close() { _ = n.file.Close() }

// Path is the namespace as a file, for this process and others.
func (n *Namespace) Path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// onOwnThread runs f on a thread that may change its network namespace. It then moves the thread back to its own namespace. The
// thread must live on: when it ends, the kernel kills the processes that it started with PR_SET_PDEATHSIG (prctl(2)).
func onOwnThread(f func() error) (err error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer func() {
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
			err = errors.Join(err, fmt.Errorf("leave a network namespace: %w", back))
		} else {
			runtime.UnlockOSThread() // A thread that stays there carries no other goroutine.
		}
		_ = home.Close()
	}()
	return f()
}

// Forward has the namespace pass packets on between its interfaces.
func (n *Namespace) Forward() error {
	return n.Do(func() error { return writeSysctl("ipv4/ip_forward", "1") })
}

// Do runs f inside the namespace. Sockets and processes that f makes itself stay there.
func (n *Namespace) Do(f func() error) error {
	return onOwnThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}

// IP runs commands of the program ip (ip(8)) inside the namespace, in their order.
func (n *Namespace) IP(commands ...string) error {
	return n.Do(func() error {
		batch := exec.Command("ip", "-batch", "-")
		batch.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
		if output, err := batch.CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w\n%s", strings.Join(commands, "; "), err, output)
		}
		return nil
	})
}

// Listen is net.Listen inside the namespace.
func (n *Namespace) Listen(network, address string) (listener net.Listener, err error) {
	err = n.Do(func() (err error) {
		listener, err = net.Listen(network, address)
		return err
	})
	return listener, err
}

// Enter changes a command so that it starts inside the namespace.
func (n *Namespace) Enter(command *exec.Cmd) error {
	enter, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	command.Args = append([]string{enter, "--net=" + n.Path(), "--", command.Path}, command.Args[1:]...)
	command.Path = enter
	return nil
}

// Signal sends a signal to every process in the namespace.
func (n *Namespace) Signal(signal syscall.Signal) error {
	own, err := os.Readlink(n.Path())
	if err != nil {
		return err
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return err
	}
	for _, process := range processes {
		namespace, err := os.Readlink(process + "/ns/net")
		if err != nil || namespace != own {
			continue // It has ended, or is elsewhere.
		}
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("send %v to %d: %w", signal, pid, err)
		}
	}
	return nil
}
