//go:build unix && !linux

package rocketmq

import "syscall"

// ownGroup asks for a process group of its own. Only Linux can also end the child with its parent.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
