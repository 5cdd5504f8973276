// SPDX-License-Identifier: Apache-2.0
// The test program is its own supervisor of scanners, as the proxy is: the pool starts it again with that argument. Its scanners have an engine
// that does what a payload says, so that tests can make them crash, hang, or work for a while.
#include "inspect/scanner/packet_socket.h"
#include "inspect/scanner/protocol.h"
#include "inspect/scanner/scanner_main.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/syscall.h>
#include <unistd.h>
#include <array>
#include <string_view>

namespace {

using sluice::inspect::Outcome;

Outcome obey(std::string_view bytes, std::string_view, sluice::inspect::ArchiveEngine::Deadline) {
    using Clock = std::chrono::steady_clock;
    if (bytes.starts_with("test: crash")) __builtin_trap();
    const auto work = [](Clock::duration time) {
        for (const auto end = Clock::now() + time; Clock::now() < end;) {}
    };
    if (bytes.starts_with("test: hang")) work(std::chrono::hours(1));
    if (bytes.starts_with("test: work")) work(std::chrono::milliseconds(20));
    return Outcome::clean();
}

// A supervisor and its one scanner in one process, taken over by what it read: it answers each job as the object's first byte says.
int lie() {
    using namespace sluice::inspect;
    const auto tell = [](int socket, const protocol::Message& message, std::span<const int> descriptors = {}) {
        (void)send_packet(socket, protocol::encode(message), descriptors, true);
    };
    auto ends = packet_pair();
    if (!ends) return 1;
    const int scanner = ends->second.get();
    const Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    tell(supervisor_descriptor, protocol::Ready{.rules = 1, .compile_milliseconds = 1});
    tell(supervisor_descriptor, protocol::Born{::getpid()}, std::array{ends->first.get(), handle.get()});
    ends->first.reset();
    tell(scanner, protocol::Hello{});
    const auto packet = receive_packet(scanner, true);
    if (!packet || !*packet) return 0;
    const auto message = protocol::decode((*packet)->bytes);
    const auto* job = message ? std::get_if<protocol::Job>(&*message) : nullptr;
    char lie = 0;
    if (!job || ::pread((*packet)->descriptors[0].get(), &lie, 1, 0) != 1) return 1;
    switch (lie) {
        case 'g': (void)send_packet(scanner, "garbage", {}, true); break;
        case 'l': (void)send_packet(scanner, std::string(protocol::message_size + 1, 'l'), {}, true); break;
        case 'i': tell(scanner, protocol::Done{.job = job->id + 1, .outcome = Outcome::clean()}); break;
        case 'h': tell(scanner, protocol::Hello{}); break;
        case 'j': tell(scanner, *job); break;
        case 'm':
            for (std::uint32_t i = 0; i <= job->limits.members; ++i) tell(scanner, protocol::Found{job->id, Member{}});
            break;
        case 'f': tell(scanner, protocol::Found{job->id + 1, Member{}}); break;
        case 'd': tell(scanner, protocol::Diagnosis{}); break;
        default: tell(scanner, protocol::Done{.job = job->id, .outcome = Outcome::clean()}); break;
    }
    ::pause();
    return 0;
}

}  // namespace

int main(int count, char** words) {
    const std::vector<std::string> arguments(words + 1, words + count);
    if (!arguments.empty() && arguments[0] == "scanner-supervisor") {
        const auto options = sluice::inspect::from_arguments(std::span(arguments).subspan(1));
        return options ? sluice::inspect::run_supervisor(sluice::inspect::supervisor_descriptor, *options, {obey}) : 2;
    }
    if (!arguments.empty() && arguments[0] == "lying-supervisor") return lie();
    ::testing::InitGoogleMock(&count, words);
    return RUN_ALL_TESTS();
}
