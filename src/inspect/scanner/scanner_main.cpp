// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/scanner_main.h"

#include "base/text.h"
#include "inspect/scanner/packet_socket.h"
#include "inspect/scanner/protocol.h"
#include "inspect/scanner/scanner_job.h"
#include "inspect/scanner/yara_engine.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <limits>
#include <optional>

namespace sluice::inspect {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// A scanner that ends right after its birth will do so again: the next one waits so long.
constexpr milliseconds short_life{50};
// So many faults of rule files are told.
constexpr std::size_t told_most = 100;

class Supervisor {
public:
    Supervisor(int descriptor, const SupervisorOptions& options, std::vector<ArchiveEngine::Engine> engines)
        : proxy_(descriptor),
          options_(options) {
        tools_.engines = std::move(engines);
    }

    int run() {
        if (!watch_children()) return 1;
        load_everything();
        if (!load_patterns() || !load_rules()) return 1;
        wanted_ = options_.scanners;
        while (!is_draining_ || living_ > 0) {
            if (!is_draining_ && wanted_ > 0 && Clock::now() >= next_birth_ && !give_birth()) next_birth_ = Clock::now() + short_life;
            wait();
        }
        return 0;
    }

private:
    bool watch_children() {
        sigset_t children;
        sigemptyset(&children);
        sigaddset(&children, SIGCHLD);
        if (::sigprocmask(SIG_BLOCK, &children, nullptr) != 0) return false;
        signals_.reset(::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
        nowhere_.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
        return signals_ && nowhere_;
    }

    bool tell(const protocol::Message& message, std::span<const int> descriptors = {}) {
        return send_packet(proxy_.get(), protocol::encode(message), descriptors, true).has_value();
    }

    // Searched once, so that what searching needs is there before the sandbox is.
    bool load_patterns() {
        if (!options_.patterns) return true;
        const auto faulty = [this](std::string_view what) {
            tell(protocol::Diagnosis{{.place = {}, .message = std::string(what), .source_line = {}}});
            return false;
        };
        const int image = options_.patterns->get();
        const off_t size = ::lseek(image, 0, SEEK_END);
        void* start = size > 0 ? ::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, image, 0) : MAP_FAILED;
        if (start == MAP_FAILED) return faulty("the signatures cannot be read");
        auto set = PatternSet::from_image({static_cast<const char*>(start), static_cast<std::size_t>(size)});
        ::munmap(start, static_cast<std::size_t>(size));
        if (!set) return faulty(set.error().what);
        tools_.patterns = std::move(*set);
        options_.patterns.reset();
        const auto stream = tools_.scratch.open(tools_.patterns);
        return stream ? true : faulty(stream.error().what);
    }

    bool load_rules() {
        const auto began = Clock::now();
        Diagnostics diagnostics;
        tools_.rules = YaraRules::compile(options_.rules, diagnostics);
        // Errors first: nobody shall look for one among the warnings.
        std::size_t told = 0;
        for (const auto severity : {Diagnostic::Severity::error, Diagnostic::Severity::warning})
            for (const Diagnostic& each : diagnostics)
                if (each.severity == severity && told++ < told_most) tell(protocol::Diagnosis{each});
        if (!tools_.rules) return false;
        const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - began).count();
        return tell(protocol::Ready{.rules = static_cast<std::uint32_t>(tools_.rules->size()),
                                    .compile_milliseconds = static_cast<std::uint64_t>(took)});
    }

    bool give_birth() {
        auto ends = packet_pair();
        if (!ends) return false;
        auto& [ours, theirs] = *ends;
        const pid_t pid = ::fork();
        if (pid < 0) return false;
        if (pid == 0) {
            ours.reset();
            live(std::move(theirs));
        }
        last_birth_ = Clock::now();
        ++living_;
        --wanted_;
        const Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (!handle || !tell(protocol::Born{pid}, std::array{ours.get(), handle.get()})) is_draining_ = true;
        return true;
    }

    // The child: never returns.
    [[noreturn]] void live(Descriptor socket) {
        proxy_.reset();
        signals_.reset();
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::dup2(nowhere_.get(), STDIN_FILENO);
        ::dup2(nowhere_.get(), STDOUT_FILENO);
        nowhere_.reset();
        run_scanner(std::move(socket), options_.sandbox, tools_);
    }

    void wait() {
        std::array<pollfd, 2> watched{pollfd{signals_.get(), POLLIN, 0}, pollfd{is_draining_ ? -1 : proxy_.get(), POLLIN, 0}};
        int timeout = -1;
        if (!is_draining_ && wanted_ > 0) {
            const auto left = std::chrono::ceil<milliseconds>(next_birth_ - Clock::now());
            timeout = static_cast<int>(std::clamp(left, milliseconds(0), short_life).count());
        }
        if (::poll(watched.data(), watched.size(), timeout) <= 0) return;
        if (watched[0].revents) reap();
        if (!watched[1].revents) return;
        // The proxy says nothing; that it can be read means the end.
        const auto packet = receive_packet(proxy_.get(), false);
        if (!packet || *packet) is_draining_ = true;
    }

    void reap() {
        signalfd_siginfo ignored;
        while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {}
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
            --living_;
            ++wanted_;
            if (Clock::now() - last_birth_ < short_life) next_birth_ = Clock::now() + short_life;
        }
    }

    Descriptor proxy_;
    SupervisorOptions options_;
    ScannerTools tools_;
    Descriptor signals_;
    Descriptor nowhere_;
    unsigned living_ = 0;
    unsigned wanted_ = 0;                                    // to be born
    bool is_draining_ = false;
    Clock::time_point last_birth_{};
    Clock::time_point next_birth_{};
};

}  // namespace

std::vector<std::string> to_arguments(const SupervisorOptions& options) {
    std::vector<std::string> arguments{std::to_string(options.scanners), std::to_string(options.sandbox.memory),
                                       std::to_string(options.sandbox.nice), options.patterns ? "1" : "0"};
    arguments.insert(arguments.end(), options.rules.begin(), options.rules.end());
    return arguments;
}

Result<SupervisorOptions> from_arguments(std::span<const std::string> arguments) {
    if (arguments.size() < 4) return fail(Errc::malformed, Side::self, "too few arguments for a supervisor of scanners");
    const auto scanners = parse_decimal<unsigned>(arguments[0]);
    const auto memory = parse_decimal<std::uint64_t>(arguments[1]);
    const auto nice = parse_decimal<int>(arguments[2]);
    const bool has_patterns = arguments[3] == "1";
    if (!scanners || !memory || !nice || (!has_patterns && arguments[3] != "0"))
        return fail(Errc::malformed, Side::self, "arguments for a supervisor of scanners are no numbers");
    return SupervisorOptions{.scanners = *scanners,
                             .sandbox = {.memory = *memory, .nice = *nice},
                             .rules = {arguments.begin() + 4, arguments.end()},
                             .patterns = has_patterns ? std::make_shared<const Descriptor>(patterns_descriptor) : nullptr};
}

int run_supervisor(int descriptor, const SupervisorOptions& options, std::vector<ArchiveEngine::Engine> engines) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "sluice-scanner");
    // Nothing that the proxy had open by mistake reaches those who read hostile bytes.
    const int last = options.patterns ? patterns_descriptor : descriptor;
    ::close_range(static_cast<unsigned>(last) + 1, std::numeric_limits<unsigned>::max(), 0);
    return Supervisor(descriptor, options, std::move(engines)).run();
}

}  // namespace sluice::inspect
