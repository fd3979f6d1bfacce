//go:build !linux

package deploy

import "testing"

func (container) run(t *testing.T, _ string) { t.Skip("the image is for Linux") }
