//go:build !unix || solaris || illumos

package options

import (
	"errors"
	"syscall"
)

// reusePort fails, because this system has no such option.
func reusePort(string, string, syscall.RawConn) error {
	return errors.New("this system does not let two programs listen on one port: leave out --reuse-port")
}
