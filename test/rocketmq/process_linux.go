package rocketmq

import "syscall"

// ownGroup asks for a process group of its own and for the end of the child with its parent.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
