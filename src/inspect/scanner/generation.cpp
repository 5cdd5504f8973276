// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/generation.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace sluice::inspect {

std::unique_ptr<Watch> Watch::make(net::Reactor& reactor, int descriptor, std::function<void()> call) {
    std::unique_ptr<Watch> watch(new Watch(reactor, descriptor, std::move(call)));
    if (reactor.add(descriptor, EPOLLIN, *watch) == 0) return watch;
    watch->descriptor_ = -1;
    return nullptr;
}

void Watch::stop() {
    if (descriptor_ >= 0) reactor_.remove(std::exchange(descriptor_, -1), *this);
}

void Watch::on_ready(std::uint32_t) { call_(); }

void Scanner::kill() const { ::syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0); }

void Generation::shut() { ::shutdown(control.get(), SHUT_WR); }

void Generation::kill() const {
    if (pid != 0) ::syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0);
}

void Generation::reap() {
    if (pid == 0) return;
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    pid = 0;
}

Result<std::unique_ptr<Generation>> spawn_supervisor(const std::string& program, const std::vector<std::string>& arguments,
                                                     const SupervisorOptions& options) {
    auto [ours, theirs] = TRY(packet_pair());
    std::vector<std::string> words{program};
    words.insert(words.end(), arguments.begin(), arguments.end());
    for (std::string& each : to_arguments(options)) words.push_back(std::move(each));
    std::vector<char*> pointers;
    for (std::string& each : words) pointers.push_back(each.data());
    pointers.push_back(nullptr);

    // Out of the way of the numbers that both shall have.
    Descriptor patterns;
    if (options.patterns) patterns.reset(::fcntl(options.patterns->get(), F_DUPFD_CLOEXEC, patterns_descriptor + 1));
    if (options.patterns && !patterns) return fail(Errc::overloaded, Side::self, "no descriptor for the scanners' signatures", errno);

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, theirs.get(), supervisor_descriptor);
    if (patterns) posix_spawn_file_actions_adddup2(&actions, patterns.get(), patterns_descriptor);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, program.c_str(), &actions, &attributes, pointers.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return fail(Errc::io_failed, Side::self, "the scanners' supervisor cannot be started", error);

    auto generation = std::make_unique<Generation>();
    generation->options = options;
    generation->pid = pid;
    generation->control = std::move(ours);
    generation->handle.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (generation->handle) return generation;
    const int cause = errno;
    ::kill(pid, SIGKILL);
    generation->reap();
    return fail(Errc::overloaded, Side::self, "no descriptor for the scanners' supervisor", cause);
}

}  // namespace sluice::inspect
