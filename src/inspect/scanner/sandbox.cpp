// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/sandbox.h"

#include "inspect/scanner/archive_reader.h"

#include <iconv.h>
#include <linux/landlock.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <clocale>
#include <ctime>
#include <memory>

namespace sluice::inspect {

namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
constexpr bool has_sanitizer = true;
#else
constexpr bool has_sanitizer = false;
#endif
#else
constexpr bool has_sanitizer = false;
#endif

// The job's object, the socket, the standard three, and a few.
constexpr rlim_t descriptors = 16;

// Memory, the socket, time, signals of the process itself, its end.
constexpr std::array allowed{
    SCMP_SYS(read),         SCMP_SYS(recvmsg),        SCMP_SYS(sendmsg),      SCMP_SYS(close),     SCMP_SYS(lseek),
    SCMP_SYS(munmap),       SCMP_SYS(mremap),         SCMP_SYS(madvise),      SCMP_SYS(brk),       SCMP_SYS(futex),
    SCMP_SYS(getrandom),    SCMP_SYS(clock_gettime),  SCMP_SYS(gettimeofday), SCMP_SYS(time),      SCMP_SYS(setitimer),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(sigreturn), SCMP_SYS(restart_syscall),
    SCMP_SYS(sched_yield),  SCMP_SYS(getpid),         SCMP_SYS(gettid),       SCMP_SYS(exit),      SCMP_SYS(exit_group),
};

constexpr std::array refused{
    SCMP_SYS(open),    SCMP_SYS(openat), SCMP_SYS(openat2),   SCMP_SYS(stat),       SCMP_SYS(lstat),    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),   SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
    SCMP_SYS(sysinfo), SCMP_SYS(uname),  SCMP_SYS(prlimit64), SCMP_SYS(getcwd),
};

// What the runtimes of the sanitizers call.
constexpr std::array for_sanitizers{
    SCMP_SYS(sigaltstack), SCMP_SYS(write),     SCMP_SYS(sched_getaffinity), SCMP_SYS(prctl),
    SCMP_SYS(getppid),     SCMP_SYS(getrlimit), SCMP_SYS(mincore),           SCMP_SYS(pipe2),
};

std::unexpected<Error> failed(std::string_view what, int cause) { return fail(Errc::io_failed, Side::self, what, cause); }

struct FilterEnd {
    void operator()(void* filter) const { seccomp_release(filter); }
};

Result<void> limit(__rlimit_resource_t resource, rlim_t most) {
    const struct rlimit both{most, most};
    if (::setrlimit(resource, &both) != 0) return failed("a limit of a scanner cannot be set", errno);
    return {};
}

// Whatever the filter lets through, no file can be reached. Kernels without Landlock, or with it turned off, have the filter alone.
Result<void> forbid_files() {
    const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) return {};
    constexpr std::uint64_t first_abi = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    const landlock_ruleset_attr everything{.handled_access_fs = first_abi};
    const int ruleset = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &everything, sizeof everything, 0));
    if (ruleset < 0) return failed("Landlock cannot be used", errno);
    const long done = ::syscall(SYS_landlock_restrict_self, ruleset, 0);
    const int cause = errno;
    ::close(ruleset);
    if (done != 0) return failed("Landlock cannot be used", cause);
    return {};
}

Result<void> filter_calls() {
    const std::unique_ptr<void, FilterEnd> filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
    if (!filter) return failed("no filter for system calls", ENOMEM);
    int bad = 0;
    const auto rule = [&](std::uint32_t action, int call) {
        if (const int code = seccomp_rule_add_array(filter.get(), action, call, 0, nullptr)) bad = code;
    };
    for (const int call : allowed) rule(SCMP_ACT_ALLOW, call);
    for (const int call : refused) rule(SCMP_ACT_ERRNO(EACCES), call);
    if (has_sanitizer)
        for (const int call : for_sanitizers) rule(SCMP_ACT_ALLOW, call);
    // Memory, but none that can be executed.
    const scmp_arg_cmp not_executable = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
        if (const int code = seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, call, 1, &not_executable)) bad = code;
    if (bad == 0) bad = seccomp_load(filter.get());
    if (bad != 0) return failed("system calls cannot be filtered (seccomp)", -bad);
    return {};
}

}  // namespace

void load_everything() {
    // Names in archives are UTF-8 or are told as they are.
    if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) std::setlocale(LC_CTYPE, "");
    ::tzset();
    const std::time_t epoch = 0;
    std::tm broken_down{};
    ::localtime_r(&epoch, &broken_down);

    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_ADD_ALL_DIGESTS | OPENSSL_INIT_ADD_ALL_CIPHERS, nullptr);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    for (const EVP_MD* each : {EVP_md5(), EVP_sha1(), EVP_sha256(), EVP_sha512()}) EVP_Digest("", 0, digest.data(), nullptr, each, nullptr);

    // glibc keeps a character set's tables as long as a conversion is open: these stay.
    constexpr std::array charsets{"CP437", "CP850", "CP1252", "CP932", "UTF-16LE", "UTF-16BE", "ISO-8859-1"};
    static std::array<iconv_t, charsets.size()> kept;
    std::ranges::transform(charsets, kept.begin(), [](const char* charset) { return ::iconv_open("UTF-8", charset); });
    ArchiveReader::warm_up();
}

Result<void> enter_sandbox(const SandboxLimits& limits) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("privileges cannot be given up", errno);
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return failed("the process cannot be hidden", errno);
    const int lowest = 19;
    const int now = ::getpriority(PRIO_PROCESS, 0);
    if (::setpriority(PRIO_PROCESS, 0, std::min(now + limits.nice, lowest)) != 0) return failed("the priority cannot be lowered", errno);
    TRY(limit(RLIMIT_CORE, 0));
    TRY(limit(RLIMIT_FSIZE, 0));
    TRY(limit(RLIMIT_NPROC, 0));
    TRY(limit(RLIMIT_NOFILE, descriptors));
    if (!has_sanitizer) TRY(limit(RLIMIT_DATA, limits.memory));
    TRY(forbid_files());
    return filter_calls();
}

}  // namespace sluice::inspect
