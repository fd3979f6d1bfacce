package web_test

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

// namespace is a network namespace without a name (network_namespaces(7)): it goes away with this process and those inside it.
type namespace struct {
	// file keeps the namespace. Its path is what other programs find it by.
	file *os.File
}

// newNamespace makes a namespace that has no interface but loopback.
func newNamespace() (*namespace, error) {
	n := new(namespace)
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
	err = n.do(func() error {
		for _, name := range []string{
			// Addresses of IPv6 would come by themselves, and be another path.
			"ipv6/conf/all/disable_ipv6", "ipv6/conf/default/disable_ipv6",
		} {
			if err := writeSysctl(name, "1"); err != nil && !errors.Is(err, fs.ErrNotExist) { // This kernel has no IPv6.
				return err
			}
		}
		return errors.Join(writeSysctl("ipv4/conf/all/rp_filter", "0"), writeSysctl("ipv4/conf/default/rp_filter", "0"))
	})
	if err == nil {
		err = n.ip("link set lo up")
	}
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// writeSysctl sets a kernel parameter of the thread's namespace.
func writeSysctl(name, value string) error {
	return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0)
}

// close lets the namespace go. It ends with the last process in it.
func (n *namespace) close() { _ = n.file.Close() }

// path is the namespace as a file, for this process and others.
func (n *namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// onOwnThread runs f on a thread that may change its network namespace, and takes the thread back to its own one then. The thread
// must not end: the kernel would end the browsers that it has started for other tests (endWithTests).
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

// do runs f inside the namespace. Sockets and processes that f makes itself stay there.
func (n *namespace) do(f func() error) error {
	return onOwnThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter a network namespace: %w", err)
		}
		return f()
	})
}

// ip runs commands of the program of that name (ip(8)) inside the namespace, in their order.
func (n *namespace) ip(commands ...string) error {
	return n.do(func() error {
		batch := exec.Command("ip", "-batch", "-")
		batch.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
		if output, err := batch.CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w\n%s", strings.Join(commands, "; "), err, output)
		}
		return nil
	})
}

// listen is net.Listen inside the namespace.
func (n *namespace) listen(network, address string) (listener net.Listener, err error) {
	err = n.do(func() (err error) {
		listener, err = net.Listen(network, address)
		return err
	})
	return listener, err
}

// enter has a command start inside the namespace, once it is run.
func (n *namespace) enter(command *exec.Cmd) error {
	enter, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	command.Args = append([]string{enter, "--net=" + n.path(), "--", command.Path}, command.Args[1:]...)
	command.Path = enter
	return nil
}

// signal sends a signal to every process in the namespace.
func (n *namespace) signal(signal syscall.Signal) error {
	own, err := os.Readlink(n.path())
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
