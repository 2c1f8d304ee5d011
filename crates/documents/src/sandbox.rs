//! What a reader may do: think, within its memory and time, and talk to its parent. Nothing else.
//!
//! Two locks, each enough for most of it: no further file descriptor can be had (`RLIMIT_NOFILE` 0), so no file and no socket; and a seccomp
//! filter kills the process at any system call that is not on the list, so it starts, signals and renames nothing either.

use std::collections::BTreeMap;

use rustix::process::{Resource, Rlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Processor time of one reader in its whole life, seconds.
const CPU_SECS: u64 = 60;

/// System calls of a program that computes, and reads and writes what it has open.
const ALLOWED: [i64; 31] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    libc::SYS_prctl,
];

/// Why the locks could not be closed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Open {
    #[error("a limit could not be set: {0}")]
    Limit(#[from] rustix::io::Errno),
    #[error("the filter of system calls could not be made: {0}")]
    Filter(String),
}

/// Closes both locks for this process, for good.
pub(crate) fn close(memory_bytes: u64) -> Result<(), Open> {
    let filter: BpfProgram = program()?;
    for (resource, most) in [
        (Resource::As, memory_bytes),
        (Resource::Cpu, CPU_SECS),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    seccompiler::apply_filter_all_threads(&filter).map_err(|error| Open::Filter(error.to_string()))
}

fn program() -> Result<BpfProgram, Open> {
    let wrong = |error: &dyn std::fmt::Display| Open::Filter(error.to_string());
    let arch: TargetArch = std::env::consts::ARCH
        .try_into()
        .map_err(|error: seccompiler::BackendError| wrong(&error))?;
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> =
        ALLOWED.into_iter().map(|call| (call, Vec::new())).collect();
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::KillProcess,
        SeccompAction::Allow,
        arch,
    )
    .map_err(|error| wrong(&error))?;
    filter
        .try_into()
        .map_err(|error: seccompiler::BackendError| wrong(&error))
}
