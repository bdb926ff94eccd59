package usage

import (
	"bytes"
	"os"
	"runtime/metrics"
	"strconv"
	"syscall"
	"time"
)

// processCPU is the processor time of this process so far, user and system.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // never, for a process that asks for itself
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// residentMemory is the memory of this process that stands in RAM, in bytes.
func residentMemory() int64 {
	b, err := os.ReadFile("/proc/self/statm") // pages: total, resident, …
	if err != nil {
		return runtimeMemory()
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return runtimeMemory()
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return runtimeMemory()
	}
	return pages * int64(os.Getpagesize())
}

// highWater is the most resident memory this process ever had, in bytes; 0 where
// the kernel doesn't tell.
func highWater() int64 {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(b, []byte("VmHWM:"))
	line, _, _ := bytes.Cut(rest, []byte("kB"))
	kib, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// runtimeMemory is what the Go runtime has of the operating system and hasn't
// given back, in bytes.
func runtimeMemory() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64()) //nolint:gosec // bytes of one machine
}
