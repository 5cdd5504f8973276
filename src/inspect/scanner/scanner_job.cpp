// SPDX-License-Identifier: Apache-2.0
#include "inspect/scanner/scanner_job.h"

#include "inspect/scanner/packet_socket.h"
#include "inspect/scanner/protocol.h"
#include "inspect/signatures/pattern_set.h"

#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <optional>

namespace sluice::inspect {

namespace {

// The proxy kills at the deadline. Where there is no proxy any more, the scanner's own alarm does, so much later.
constexpr std::chrono::seconds grace{2};
constexpr std::string_view signatures_engine = "signatures";

// The object's bytes, as long as it lives. Its size is asked of lseek: glibc's fstat is not on the sandbox's list.
class Mapping {
public:
    Mapping(int descriptor, std::uint64_t size) : size_(static_cast<std::size_t>(size)) {
        const off_t end = ::lseek(descriptor, 0, SEEK_END);
        if (end < 0 || static_cast<std::uint64_t>(end) != size) return;
        if (size_ > 0) start_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE | MAP_POPULATE, descriptor, 0);
        is_good_ = size_ == 0 || start_ != MAP_FAILED;
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (is_good_ && size_ > 0) ::munmap(start_, size_);
    }
    bool is_good() const { return is_good_; }
    std::string_view bytes() const { return size_ == 0 ? std::string_view() : std::string_view(static_cast<const char*>(start_), size_); }

private:
    std::size_t size_;
    void* start_ = MAP_FAILED;
    bool is_good_ = false;
};

void set_alarm(std::chrono::steady_clock::duration after) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(after).count();
    itimerval alarm{};
    alarm.it_value.tv_sec = left;
    ::setitimer(ITIMER_REAL, &alarm, nullptr);
}

class Scanner {
public:
    Scanner(Descriptor socket, ScannerTools& tools) : socket_(std::move(socket)), tools_(tools) {
        if (tools.rules->size() > 0) yara_.emplace(*tools.rules);
    }

    void tell(const protocol::Message& message) {
        if (!send_packet(socket_.get(), protocol::encode(message), {}, true)) ::_exit(0);
    }

    [[noreturn]] void run() {
        for (;;) {
            const auto packet = receive_packet(socket_.get(), true);
            if (!packet || !*packet) ::_exit(0);
            const auto message = protocol::decode((*packet)->bytes);
            const auto* job = message ? std::get_if<protocol::Job>(&*message) : nullptr;
            if (!job || !(*packet)->descriptors[0]) ::_exit(1);
            set_alarm(std::max(job->deadline - std::chrono::steady_clock::now(), std::chrono::steady_clock::duration(0)) + grace);
            obey(job->fault);
            tell(work(*job, (*packet)->descriptors[0].get()));
            set_alarm({});
        }
    }

private:
    static void obey(protocol::Fault fault) {
        if (fault == protocol::Fault::crash) __builtin_trap();
        for (volatile bool hangs = fault == protocol::Fault::hang; hangs;) {}
    }

    Outcome search(const protocol::Job& job, std::string_view bytes, BodyFound& found) {
        const auto failed = [] { return Outcome::unscannable(Reason::overloaded, signatures_engine); };
        if (!tools_.patterns) return failed();
        auto stream = tools_.scratch.open(tools_.patterns);
        if (!stream || !stream->feed(bytes) || !stream->finish()) return failed();
        // Rules that are newer or older than this process count their patterns in another way: that is not to be guessed.
        if (job.rules_generation != 0) {
            if (job.rules_generation != tools_.patterns->rules_generation()) return failed();
            for (std::size_t i = 0; i < tools_.patterns->rules(); ++i)
                if (stream->holds(i)) found.set(i);
        }
        // The stream tells one threat, which may be another one than EICAR.
        const std::string_view threat = job.engines.signatures  ? stream->infected()
                                        : contains_eicar(bytes) ? eicar_threat
                                                                : std::string_view();
        Outcome outcome = threat.empty() ? Outcome::clean() : Outcome::infected(std::string(threat), signatures_engine);
        if (!job.engines.signatures) return outcome;
        for (const std::string_view match : stream->matches()) outcome.matches.emplace_back(match);
        return outcome;
    }

    protocol::Done work(const protocol::Job& job, int object) {
        std::vector<ArchiveEngine::Engine> engines = tools_.engines;
        if (job.engines.yara && yara_)
            engines.emplace_back([this](std::string_view bytes, std::string_view path, ArchiveEngine::Deadline deadline) {
                return yara_->scan(bytes, path, deadline);
            });
        ArchiveEngine engine(std::move(engines));
        ArchiveEngine::Plan plan{.limits = job.limits,
                                 .deadline = job.deadline,
                                 .opens = job.engines.archives,
                                 .wants_digests = job.wants_digests,
                                 .multipart = job.multipart,
                                 .is_searched = tools_.patterns && job.engines.signatures,
                                 .search = {},
                                 .on_member = {}};
        // Patterns that are asked for and not there are told, not left out.
        if (tools_.patterns || job.rules_generation != 0)
            plan.search = [&](std::string_view bytes, BodyFound& found) { return search(job, bytes, found); };
        if (job.wants_members) plan.on_member = [&](const Member& member) { tell(protocol::Found{job.id, member}); };
        Outcome outcome;
        try {
            const Mapping mapping(object, job.size);
            outcome = mapping.is_good() ? engine.scan(mapping.bytes(), job.name, plan) : Outcome::unscannable(Reason::truncated);
        } catch (const std::bad_alloc&) {
            // RLIMIT_DATA: more than an engine may use.
            outcome = engine.outcome();
            outcome.add(Outcome::unscannable(Reason::too_large));
        }
        return {.job = job.id, .outcome = std::move(outcome), .members = engine.members(), .unpacked = engine.unpacked()};
    }

    Descriptor socket_;
    ScannerTools& tools_;
    std::optional<YaraEngine> yara_;
};

}  // namespace

void run_scanner(Descriptor socket, const SandboxLimits& limits, ScannerTools& tools) {
    Scanner scanner(std::move(socket), tools);
    if (const auto caged = enter_sandbox(limits); !caged) {
        const Error& error = caged.error();
        scanner.tell(
            protocol::Diagnosis{{.place = {}, .message = std::string(error.what) + ": " + std::strerror(error.cause), .source_line = {}}});
        ::_exit(1);
    }
    scanner.tell(protocol::Hello{});
    scanner.run();
}

}  // namespace sluice::inspect
