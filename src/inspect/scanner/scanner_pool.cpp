// SPDX-License-Identifier: Apache-2.0
// Jobs, supervisors and scanners are one state machine on one thread, which is why they are one file.
#include "inspect/scanner/scanner_pool.h"

#include "inspect/scanner/generation.h"
#include "inspect/scanner/packet_socket.h"
#include "net/waiter.h"
#include "net/worker.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <future>
#include <list>
#include <optional>
#include <thread>
#include <utility>

namespace sluice::inspect {

namespace {

using Clock = net::Worker::Clock;
using std::chrono::milliseconds;

// A supervisor that ends before it was of use is started again only after so long.
constexpr milliseconds spawn_pause{1'000};
// Rules that take longer to compile are not meant to be used.
constexpr milliseconds load_time{300'000};
// As often somebody who waits looks whether its worker ends.
constexpr milliseconds look_time{250};
// Packets that one scanner may have handled in a row, before others have their turn.
constexpr int packets_per_turn = 64;

milliseconds until(Clock::time_point when) { return std::max(std::chrono::ceil<milliseconds>(when - Clock::now()), milliseconds(0)); }

}  // namespace

// One call of `scan`. The worker's side: `job.on_member`, `waiter`, `outcome`; the pool's thread reads the rest of the job.
struct Ask {
    Ask(net::Worker& asking, ScannerPool::Job asked) : worker(asking), job(std::move(asked)), has_listener(job.on_member != nullptr) {}
    net::Worker& worker;
    ScannerPool::Job job;
    const bool has_listener;
    net::Waiter waiter;
    std::optional<Outcome> outcome;
};

class ScannerPool::State {
public:
    explicit State(Options options) : options_(std::move(options)), thread_([this] { worker_.run(); }) {}
    ~State() {
        worker_.post([this] {
            close();
            worker_.stop();
        });
        thread_.join();
    }

    void take(std::shared_ptr<Ask> ask) {
        worker_.post([this, ask = std::move(ask)]() mutable { queue(std::move(ask)); });
    }
    Diagnostics load(const SupervisorOptions& options);
    Counters counters() const;
    Processes processes();

private:
    struct Waiting {
        std::shared_ptr<Ask> ask;
        std::unique_ptr<net::Timer> deadline;
    };

    void queue(std::shared_ptr<Ask> ask);
    void give_jobs();
    bool give(Scanner& scanner, const std::shared_ptr<Ask>& ask);
    void finish(std::shared_ptr<Ask> ask, Outcome outcome);

    void begin(const SupervisorOptions& options);
    void on_control(Generation& generation);
    bool on_message(Generation& generation, Packet& packet);
    void on_supervisor_end(Generation& generation);
    void adopt(Generation& generation, Packet& packet, pid_t pid);
    void promote();
    void retire(std::unique_ptr<Generation> generation);
    void end_load(Diagnostics diagnostics);
    void fail_load(std::string_view why, Diagnostics diagnostics);

    void on_scanner(Generation& generation, Scanner& scanner);
    bool on_message(Generation& generation, Scanner& scanner, const protocol::Message& message);
    void on_late(Generation& generation, Scanner& scanner);
    void bury(Generation& generation, Scanner& scanner);
    void discard(std::unique_ptr<Watch> watch);
    void sweep();
    void count();
    void close();

    Options options_;
    net::Worker worker_;
    // All of these on the pool's thread.
    std::list<Waiting> waiting_;
    std::unique_ptr<Generation> current_;                    // takes jobs, though its supervisor may have died
    std::unique_ptr<Generation> next_;                       // is being started
    std::list<std::unique_ptr<Generation>> old_;             // finish what they began
    // What was in use in a call from the reactor is freed only behind it.
    std::vector<std::unique_ptr<Scanner>> dead_scanners_;
    std::vector<std::unique_ptr<Generation>> dead_generations_;
    bool is_sweeping_ = false;
    bool is_closed_ = false;
    std::uint64_t last_id_ = 0;
    std::optional<std::promise<Diagnostics>> load_;
    net::Timer load_limit_{worker_.timers(), [this] { fail_load("the scanners were not ready in time", {}); }};
    net::Timer spawn_again_{worker_.timers(), [this] {
                                if (current_ && current_->pid == 0 && !next_) begin(current_->options);
                            }};

    std::atomic<std::uint64_t> jobs_{0}, crashes_{0}, timeouts_{0}, overloaded_{0}, births_{0}, respawns_{0}, queued_{0}, scanners_{0},
        busy_{0}, rules_{0};
    std::thread thread_;                                     // last: it uses all of the above
};

// ---- jobs

void ScannerPool::State::queue(std::shared_ptr<Ask> ask) {
    if (is_closed_ || waiting_.size() >= options_.queue || ask->job.deadline <= Clock::now()) {
        ++overloaded_;
        return finish(std::move(ask), Outcome::unscannable(Reason::overloaded));
    }
    const auto place = waiting_.insert(waiting_.end(), Waiting{std::move(ask), nullptr});
    place->deadline = std::make_unique<net::Timer>(worker_.timers(), [this, place] {
        Waiting late = std::move(*place);
        waiting_.erase(place);
        ++overloaded_;
        finish(std::move(late.ask), Outcome::unscannable(Reason::overloaded));
        worker_.post([timer = std::move(late.deadline)] {});
        count();
    });
    place->deadline->set(until(place->ask->job.deadline));
    give_jobs();
}

void ScannerPool::State::give_jobs() {
    if (!current_) return;
    for (auto each = current_->scanners.begin(); each != current_->scanners.end() && !waiting_.empty();) {
        Scanner& scanner = **each++;
        if (!scanner.is_ready || scanner.ask) continue;
        if (give(scanner, waiting_.front().ask)) waiting_.pop_front();
        else bury(*current_, scanner);                       // it had ended before it got the job
    }
    count();
}

bool ScannerPool::State::give(Scanner& scanner, const std::shared_ptr<Ask>& ask) {
    const Job& job = ask->job;
    const std::string packet = protocol::encode(protocol::Job{.id = ++last_id_,
                                                              .size = job.size,
                                                              .deadline = job.deadline,
                                                              .engines = job.engines,
                                                              .fault = job.fault,
                                                              .wants_members = ask->has_listener,
                                                              .wants_digests = job.wants_digests,
                                                              .limits = job.limits,
                                                              .rules_generation = job.rules_generation,
                                                              .multipart = job.multipart,
                                                              .name = job.name});
    if (!send_packet(scanner.socket.get(), packet, std::array{job.object.get()}, false)) return false;
    scanner.ask = ask;
    scanner.job_id = last_id_;
    scanner.members = 0;
    scanner.deadline->set(until(job.deadline));
    ask->job.object.reset();
    ++jobs_;
    return true;
}

void ScannerPool::State::finish(std::shared_ptr<Ask> ask, Outcome outcome) {
    net::Worker& worker = ask->worker;
    worker.post([ask = std::move(ask), outcome = std::move(outcome)]() mutable {
        ask->outcome = std::move(outcome);
        ask->waiter.wake();
    });
}

// ---- supervisors

Diagnostics ScannerPool::State::load(const SupervisorOptions& options) {
    std::promise<Diagnostics> promise;
    auto loaded = promise.get_future();
    worker_.post([this, &options, promise = std::move(promise)]() mutable {
        load_.emplace(std::move(promise));
        load_limit_.set(load_time);
        if (next_) retire(std::move(next_));                 // one that was to replace the current one, with rules that are now old
        begin(options);
    });
    return loaded.get();
}

void ScannerPool::State::begin(const SupervisorOptions& options) {
    auto started = spawn_supervisor(options_.program, options_.arguments, options);
    if (!started) {
        spdlog::error("scanners: {}: {}", started.error().what, std::strerror(started.error().cause));
        fail_load(started.error().what, {});
        return spawn_again_.set(spawn_pause);
    }
    next_ = std::move(*started);
    Generation& generation = *next_;
    generation.control_watch = Watch::make(worker_.reactor(), generation.control.get(), [this, &generation] { on_control(generation); });
    generation.end_watch = Watch::make(worker_.reactor(), generation.handle.get(), [this, &generation] { on_supervisor_end(generation); });
    if (generation.control_watch && generation.end_watch) return;
    generation.kill();
    generation.reap();
    retire(std::move(next_));
    fail_load("no memory for watching the scanners", {});
    spawn_again_.set(spawn_pause);
}

void ScannerPool::State::on_control(Generation& generation) {
    for (;;) {
        auto packet = receive_packet(generation.control.get(), false);
        if (packet && !*packet) return;
        if (packet && on_message(generation, **packet)) continue;
        // It has gone, or talks nonsense; its end is seen by its pidfd.
        discard(std::move(generation.control_watch));
        generation.kill();
        return;
    }
}

bool ScannerPool::State::on_message(Generation& generation, Packet& packet) {
    auto message = protocol::decode(packet.bytes);
    if (!message) return false;
    if (auto* said = std::get_if<protocol::Diagnosis>(&*message)) {
        generation.diagnostics.push_back(std::move(said->diagnostic));
        return true;
    }
    if (const auto* ready = std::get_if<protocol::Ready>(&*message)) {
        generation.rules = ready->rules;
        return true;
    }
    const auto* born = std::get_if<protocol::Born>(&*message);
    if (!born || !packet.descriptors[0] || !packet.descriptors[1]) return false;
    if (!generation.is_retired) adopt(generation, packet, born->pid);
    return true;
}

void ScannerPool::State::adopt(Generation& generation, Packet& packet, pid_t pid) {
    auto made = std::make_unique<Scanner>();
    Scanner& scanner = *made;
    scanner.pid = pid;
    scanner.socket = std::move(packet.descriptors[0]);
    scanner.handle = std::move(packet.descriptors[1]);
    scanner.deadline = std::make_unique<net::Timer>(worker_.timers(), [this, &generation, &scanner] { on_late(generation, scanner); });
    scanner.watch =
        Watch::make(worker_.reactor(), scanner.socket.get(), [this, &generation, &scanner] { on_scanner(generation, scanner); });
    ++births_;
    if (scanner.watch) generation.scanners.push_back(std::move(made));  // else it ends, and another one is born
}

// Its scanners go on; the current generation's are replaced together with it.
void ScannerPool::State::on_supervisor_end(Generation& generation) {
    discard(std::move(generation.end_watch));
    if (generation.control_watch) on_control(generation);    // its last words
    generation.reap();
    if (&generation == next_.get()) {
        const bool was_loading = load_.has_value();
        Diagnostics said = std::move(generation.diagnostics);
        retire(std::move(next_));
        if (was_loading) fail_load("the scanners' supervisor ended", std::move(said));
        else if (!said.empty()) spdlog::error("scanners: {}", to_string(said.front()));
        if (current_ && current_->pid == 0) spawn_again_.set(spawn_pause);
        return;
    }
    if (&generation == current_.get()) {
        spdlog::warn("scanners: the supervisor ended; another one is started");
        ++respawns_;
        if (!next_) begin(generation.options);
        return;
    }
    sweep();
}

void ScannerPool::State::promote() {
    if (current_) retire(std::move(current_));
    current_ = std::move(next_);
    rules_ = current_->rules;
    end_load(std::move(current_->diagnostics));
    give_jobs();
}

void ScannerPool::State::retire(std::unique_ptr<Generation> generation) {
    Generation& retired = *generation;
    retired.is_retired = true;
    retired.shut();
    old_.push_back(std::move(generation));
    for (auto each = retired.scanners.begin(); each != retired.scanners.end();) {
        Scanner& scanner = **each++;
        if (!scanner.ask) bury(retired, scanner);
    }
    sweep();
}

void ScannerPool::State::end_load(Diagnostics diagnostics) {
    load_limit_.cancel();
    if (load_) std::exchange(load_, std::nullopt)->set_value(std::move(diagnostics));
}

void ScannerPool::State::fail_load(std::string_view why, Diagnostics diagnostics) {
    if (!load_) return;
    if (!has_errors(diagnostics)) diagnostics.push_back({.place = {}, .message = std::string(why), .source_line = {}});
    if (next_) {
        next_->kill();
        retire(std::move(next_));
    }
    end_load(std::move(diagnostics));
    if (current_ && current_->pid == 0) spawn_again_.set(spawn_pause);
}

// ---- scanners

void ScannerPool::State::on_scanner(Generation& generation, Scanner& scanner) {
    for (int i = 0; i < packets_per_turn; ++i) {
        const auto packet = receive_packet(scanner.socket.get(), false);
        if (packet && !*packet) return;
        const auto message = packet ? protocol::decode((*packet)->bytes) : std::unexpected(packet.error());
        if (message && on_message(generation, scanner, *message)) {
            if (!scanner.watch) return;                      // buried, with its generation
            continue;
        }
        if (scanner.ask) {
            ++crashes_;
            spdlog::warn("scanners: {} ended in the middle of a job", scanner.pid);
        }
        scanner.kill();
        return bury(generation, scanner);
    }
}

// False: it may not say that now.
bool ScannerPool::State::on_message(Generation& generation, Scanner& scanner, const protocol::Message& message) {
    if (std::holds_alternative<protocol::Hello>(message)) {
        if (std::exchange(scanner.is_ready, true)) return false;
        if (&generation == next_.get()) promote();
        else give_jobs();
        return true;
    }
    if (const auto* said = std::get_if<protocol::Diagnosis>(&message)) {
        if (scanner.is_ready || &generation != next_.get()) return false;
        fail_load("a scanner's sandbox cannot be had", {said->diagnostic});
        return false;
    }
    if (const auto* found = std::get_if<protocol::Found>(&message)) {
        if (!scanner.ask || found->job != scanner.job_id || !scanner.ask->has_listener) return false;
        if (++scanner.members > scanner.ask->job.limits.members) return false;
        scanner.ask->worker.post([ask = scanner.ask, member = found->member] {
            if (ask->job.on_member) ask->job.on_member(member);
        });
        return true;
    }
    const auto* done = std::get_if<protocol::Done>(&message);
    if (!done || !scanner.ask || done->job != scanner.job_id) return false;
    scanner.deadline->cancel();
    finish(std::exchange(scanner.ask, nullptr), done->outcome);
    if (generation.is_retired) bury(generation, scanner);
    else give_jobs();
    return true;
}

void ScannerPool::State::on_late(Generation& generation, Scanner& scanner) {
    ++timeouts_;
    spdlog::warn("scanners: {} was killed at its deadline", scanner.pid);
    finish(std::exchange(scanner.ask, nullptr), Outcome::unscannable(Reason::timeout));
    scanner.kill();
    bury(generation, scanner);
}

// It is not used any more: with its socket closed it ends, if it has not. What it worked on is `crashed`.
void ScannerPool::State::bury(Generation& generation, Scanner& scanner) {
    if (!scanner.watch) return;                              // it is
    if (scanner.ask) finish(std::exchange(scanner.ask, nullptr), Outcome::unscannable(Reason::crashed));
    scanner.is_ready = false;
    discard(std::move(scanner.watch));
    worker_.post([deadline = std::move(scanner.deadline)] {});
    scanner.socket.reset();
    const auto place = std::ranges::find(generation.scanners, &scanner, &std::unique_ptr<Scanner>::get);
    dead_scanners_.push_back(std::move(*place));
    generation.scanners.erase(place);
    count();
    sweep();
}

// ---- the rest

// It may be what calls.
void ScannerPool::State::discard(std::unique_ptr<Watch> watch) {
    watch->stop();
    worker_.post([watch = std::move(watch)] {});
}

void ScannerPool::State::sweep() {
    for (auto each = old_.begin(); each != old_.end();) {
        const auto place = each++;
        if ((*place)->pid != 0 || !(*place)->scanners.empty()) continue;
        dead_generations_.push_back(std::move(*place));
        old_.erase(place);
    }
    if (std::exchange(is_sweeping_, true)) return;
    worker_.post([this] {
        is_sweeping_ = false;
        dead_scanners_.clear();
        dead_generations_.clear();
    });
}

void ScannerPool::State::count() {
    std::uint64_t ready = 0;
    std::uint64_t busy = 0;
    const auto add = [&](const Generation& generation) {
        for (const auto& scanner : generation.scanners) {
            ready += scanner->is_ready;
            busy += scanner->ask != nullptr;
        }
    };
    if (current_) add(*current_);
    for (const auto& generation : old_) add(*generation);
    scanners_ = ready;
    busy_ = busy;
    queued_ = waiting_.size();
}

void ScannerPool::State::close() {
    is_closed_ = true;
    fail_load("the scanners are being ended", {});
    spawn_again_.cancel();
    for (Waiting& each : waiting_) finish(std::move(each.ask), Outcome::unscannable(Reason::overloaded));
    waiting_.clear();
    if (next_) retire(std::move(next_));
    if (current_) retire(std::move(current_));
    for (const auto& generation : old_) {
        for (const auto& scanner : generation->scanners) {
            finish(std::exchange(scanner->ask, nullptr), Outcome::unscannable(Reason::crashed));
            scanner->kill();
        }
        generation->kill();
        generation->reap();
    }
    old_.clear();
    dead_scanners_.clear();
    dead_generations_.clear();
}

ScannerPool::Counters ScannerPool::State::counters() const {
    return {.jobs = jobs_,
            .crashes = crashes_,
            .timeouts = timeouts_,
            .overloaded = overloaded_,
            .births = births_,
            .respawns = respawns_,
            .queued = queued_,
            .scanners = scanners_,
            .busy = busy_,
            .rules = rules_};
}

ScannerPool::Processes ScannerPool::State::processes() {
    std::promise<Processes> promise;
    auto told = promise.get_future();
    worker_.post([this, &promise] {
        Processes all;
        if (current_) {
            all.supervisor = current_->pid;
            for (const auto& scanner : current_->scanners)
                if (scanner->is_ready) all.scanners.push_back(scanner->pid);
        }
        promise.set_value(std::move(all));
    });
    return told.get();
}

ScannerPool::ScannerPool(Options options) : state_(std::make_unique<State>(std::move(options))) {}

ScannerPool::~ScannerPool() = default;

Diagnostics ScannerPool::load(const SupervisorOptions& options) { return state_->load(options); }

net::Task<Outcome> ScannerPool::scan(net::Worker& worker, Job job) {
    const auto ask = std::make_shared<Ask>(worker, std::move(job));
    state_->take(ask);
    // A worker that ends waits for nobody: then nothing else would wake this.
    net::Timer look(worker.timers(), [&] { ask->waiter.wake(); });
    while (!ask->outcome && !worker.is_ending()) {
        look.set(look_time);
        co_await ask->waiter.wait();
    }
    ask->job.on_member = nullptr;
    co_return ask->outcome ? std::move(*ask->outcome) : Outcome::unscannable(Reason::crashed);
}

ScannerPool::Counters ScannerPool::counters() const { return state_->counters(); }

ScannerPool::Processes ScannerPool::processes() { return state_->processes(); }

}  // namespace sluice::inspect
