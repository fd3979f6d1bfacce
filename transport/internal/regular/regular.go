// Package regular reads files that an operator names.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Read returns the content of a regular file of max bytes at most. It does not wait for anybody, as opening a FIFO would. Its errors are
// for the operator, and name the file.
func Read(name string, max int) ([]byte, error) {
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fault(name, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	info, err := file.Stat()
	if err != nil {
		return nil, fault(name, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a folder or a device: give a file", name)
	}
	larger := fmt.Errorf("%s is larger than %s", name, size(max))
	if info.Size() > int64(max) {
		return nil, larger
	}
	content, err := io.ReadAll(io.LimitReader(file, int64(max)+1))
	if err != nil {
		return nil, fault(name, err)
	}
	if len(content) > max { // it grows
		return nil, larger
	}
	return content, nil
}

func fault(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not read %s", name)
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("reading %s: %w", name, err)
}

func size(bytes int) string {
	for i, unit := range []string{"GiB", "MiB", "KiB"} {
		if of := 1 << (30 - 10*i); bytes%of == 0 {
			return fmt.Sprintf("%d %s", bytes/of, unit)
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}
