package opstest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writeSide are the system calls by which the program changes anything outside
// of itself.
var writeSide = map[uint64]string{
	unix.SYS_FDATASYNC: "fdatasync", unix.SYS_PWRITE64: "pwrite64", unix.SYS_FTRUNCATE: "ftruncate",
	unix.SYS_RENAMEAT: "renameat", unix.SYS_CONNECT: "connect", unix.SYS_WRITE: "write",
	unix.SYS_FSYNC: "fsync", unix.SYS_UNLINKAT: "unlinkat",
}

// traced puts a tracer in front of a command. It kills the program as it
// enters its n-th write-side call, counted over all threads, and writes to
// report how many there were and, if it killed, at which: "17 pwrite64". With
// n = 0 it only counts. strace counts for each thread, so that most calls of a
// Go program are never the n-th of anything.
func traced(cmd *exec.Cmd, n int, report string) {
	cmd.Env = append(os.Environ(), fmt.Sprintf("TRACER_KILL=%d", n), "TRACER_REPORT="+report)
	cmd.Args = append([]string{os.Args[0], "-test.run=^TestTracer$", "-test.timeout=5m", "--", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = os.Args[0]
}

// traceable skips where the kernel or a container does not let us trace.
func traceable(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	err := cmd.Start()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		t.Skipf("processes may not be traced here (%v): this check did not run", err)
	}
	must(t, err)
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
}

// TestTracer is the tracer.
func TestTracer(t *testing.T) {
	report := os.Getenv("TRACER_REPORT")
	if report == "" {
		t.Skip("started by the tests that kill")
	}
	n, err := strconv.Atoi(os.Getenv("TRACER_KILL"))
	must(t, err)
	count, call, status, err := trace(flag.Args(), n)
	must(t, err)
	must(t, os.WriteFile(report, fmt.Appendf(nil, "%d %s", count, call), 0o600))
	if call == "" && status != 0 {
		t.Errorf("the program ended by itself with %d", status)
	}
}

// trace runs a program to its end, or to its n-th write-side call.
func trace(args []string, n int) (count int, call string, status int, err error) {
	runtime.LockOSThread() // whoever begins to trace must go on
	defer runtime.UnlockOSThread()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return 0, "", 0, err
	}
	first := cmd.Process.Pid
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM)
	go func() {
		for range ends {
			syscall.Kill(first, syscall.SIGTERM)
		}
	}()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(first, &ws, syscall.WALL, nil); err != nil {
		return 0, "", 0, err
	}
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(first, options); err != nil {
		return 0, "", 0, err
	}
	for pid := first; ; {
		sig := 0
		switch {
		case ws.Stopped() && ws.StopSignal() == syscall.SIGTRAP|0x80:
			name, entered := entering(pid)
			if entered {
				count++
			}
			if entered && count == n {
				call = name
				syscall.Kill(first, syscall.SIGKILL)
			}
		case ws.Stopped() && ws.StopSignal() != syscall.SIGTRAP && ws.StopSignal() != syscall.SIGSTOP:
			sig = int(ws.StopSignal())
		}
		if ws.Stopped() {
			_ = syscall.PtraceSyscall(pid, sig) // it may be dead by now
		}
		pid, err = syscall.Wait4(-1, &ws, syscall.WALL, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			pid, ws = 0, 0xffff // continued: nothing to do
		case err != nil:
			return count, call, 0, err
		case pid == first && (ws.Exited() || ws.Signaled()):
			return count, call, ws.ExitStatus(), nil
		}
	}
}

// entering tells which write-side call a stopped thread is about to make.
func entering(pid int) (name string, entered bool) {
	var info struct {
		op   uint8
		_    [3]uint8
		_    uint32
		_, _ uint64
		call uint64
		_    [8]uint64
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(pid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info.op != unix.PTRACE_SYSCALL_INFO_ENTRY {
		return "", false
	}
	name, entered = writeSide[info.call]
	return name, entered
}
