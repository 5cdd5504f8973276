// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/sandbox.h"

#include "inspect/scanner/archive_engine.h"
#include "unit/inspect/scanner/archives.h"
#include "unit/inspect/scanner/support.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <functional>
#include <stdexcept>

namespace sluice::inspect {
namespace {

constexpr int refused = 3;

// How a child ends that goes into the sandbox and then does it: its exit code, or minus the signal that ended it.
int sandboxed(const std::function<int()>& what) {
    const pid_t child = ::fork();
    if (child == 0) {
        load_everything();
        if (!enter_sandbox({})) ::_exit(99);
        ::_exit(what());
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Sandbox, computing_and_answering_work) {
    EXPECT_EQ(sandboxed([] { return 7; }), 7);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    EXPECT_EQ(sandboxed([&] {
                  std::string some(10 << 20, 'x');
                  msghdr message{};
                  iovec bytes{some.data(), 5};
                  message.msg_iov = &bytes;
                  message.msg_iovlen = 1;
                  return ::sendmsg(ends[0], &message, MSG_NOSIGNAL) == 5 ? 0 : 1;
              }),
              0);
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(Sandbox, nothing_outside_can_be_reached) {
    EXPECT_EQ(sandboxed([] { return ::open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? refused : 0; }), refused);
    EXPECT_EQ(sandboxed([] { return ::open("/dev/null", O_WRONLY | O_CLOEXEC) < 0 ? refused : 0; }), refused);
    EXPECT_EQ(sandboxed([] { return ::socket(AF_INET, SOCK_STREAM, 0) < 0 ? refused : 0; }), -SIGSYS);
    EXPECT_EQ(sandboxed([] { return ::socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? refused : 0; }), -SIGSYS);
    EXPECT_EQ(sandboxed([] { return ::execl("/bin/true", "true", nullptr); }), -SIGSYS);
    EXPECT_EQ(sandboxed([] { return ::fork() < 0 ? refused : 0; }), -SIGSYS);
    EXPECT_EQ(sandboxed([] { return ::kill(::getpid(), 0); }), -SIGSYS);
    EXPECT_EQ(sandboxed([] { return ::unlink("/tmp/none"); }), -SIGSYS);
    EXPECT_EQ(sandboxed([] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) < 0 ? refused : 0; }), -SIGSYS);
    EXPECT_EQ(sandboxed([] {
                  return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? refused : 0;
              }),
              -SIGSYS);
}

// Each format is opened in the sandbox: whatever a library loads late would show here. Exceptions and the time zone too.
TEST(Sandbox, archives_open_inside) {
    load_everything();                                       // libarchive's writers need the locale as well
    const Files files{{"d\xc3\xa4/e.txt", std::string(5'000, 'a') + eicar()}};
    std::vector<std::string> archives{rar4_of(files), rar5_of(files), cab_of(files), lha_of(files)};
    for (const char* format : {"zip", "7zip", "pax", "iso9660", "newc"}) archives.push_back(archive_of(format, "", files));
    for (const char* filter : {"gzip", "bzip2", "xz", "lzma", "lzip", "zstd", "lz4", "compress"})
        archives.push_back(archive_of("ustar", filter, files));
    archives.push_back(archive_of("zip", "", files, "zip:encryption=aes256"));
    for (const std::string& archive : archives) {
        EXPECT_EQ(sandboxed([&] {
                      ArchiveEngine engine({});
                      const ArchiveEngine::Plan plan{.limits = {},
                                                     .deadline = std::chrono::steady_clock::time_point::max(),
                                                     .wants_digests = true,
                                                     .on_member = [](const Member&) {}};
                      return static_cast<int>(engine.scan(archive, "x", plan).verdict);
                  }),
                  &archive == &archives.back() ? static_cast<int>(Verdict::unscannable) : static_cast<int>(Verdict::infected))
            << &archive - archives.data();
    }
    EXPECT_EQ(sandboxed([] {
                  try {
                      throw std::runtime_error("caught");
                  } catch (const std::exception&) { return 5; }
              }),
              5);
}

}  // namespace
}  // namespace sluice::inspect
