// SPDX-License-Identifier: Apache-2.0
// What changes while it runs: reloads, the machine's addresses and name servers, and the end.
#include "app/instance.h"

#include "app/diagnostics_log.h"
#include "app/inspection.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>
#include <boost/asio/post.hpp>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>

namespace sluice::app {

namespace {

// For the calling thread: it runs when no worker wants the core, as far as Linux lets it. Not SCHED_IDLE: on a machine that is busy with traffic a
// reload would take minutes. The short slice (since Linux 6.12) is for how long it goes on when a worker wakes.
void yield_to_workers() {
    struct {  // struct sched_attr of sched_setattr(2), whose header and glibc's exclude each other
        std::uint32_t size = 48;
        std::uint32_t policy = SCHED_BATCH;
        std::uint64_t flags = 0;
        std::int32_t nice = 19;
        std::uint32_t priority = 0;
        std::uint64_t slice_ns = 100'000;
        std::uint64_t deadline_ns = 0;
        std::uint64_t period_ns = 0;
    } attributes;
    static_assert(sizeof attributes == 48);
    if (::syscall(SYS_sched_setattr, 0, &attributes, 0) != 0) spdlog::warn("a reload cannot lower its priority: {}", std::strerror(errno));
}

}  // namespace

// Prepared on a thread of its own, because lists take their time; judged and applied here. What is asked for while one is under way gets another one
// afterwards: its files may have changed since.
void Instance::reload(ReloadDone done) {
    if (drain_until_) return done({"draining: there will be no reload", ""});
    if (!waiting_for_reload_.empty()) {
        waiting_for_next_.push_back(std::move(done));
        return;
    }
    waiting_for_reload_.push_back(std::move(done));
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000);
    if (reloader_.joinable()) reloader_.join();
    reloader_ = std::thread([this, previous = policy_, previous_inspect = inspect_] {
        yield_to_workers();
        Loaded loaded = load(config_option_, previous.get(), previous_inspect.get());
        load_scanners(loaded);
        boost::asio::post(main_, [this, loaded = std::move(loaded)]() mutable { finish_reload(std::move(loaded)); });
    });
}

// On the reloading thread, while nothing else changes `config_`. Faults of YARA files are the reload's.
void Instance::load_scanners(Loaded& loaded) {
    if (!loaded.is_usable() || loaded.config.inspect.engines.empty() || !keys_needing_restart(config_, loaded.config).empty()) return;
    // What they have of the configuration is YARA's files and the patterns.
    const bool has_rules = loaded.inspect->yara_generation != 0 || (scanners_have_ && scanners_have_->yara_generation != 0);
    if (scanners_have_ && !has_rules && loaded.inspect->patterns == scanners_have_->patterns) return;
    Diagnostics said;
    const inspect::SupervisorOptions options = supervisor_options(loaded.config, *loaded.inspect, said);
    if (!has_errors(said)) said = scanners_->load(options);
    if (!has_errors(said)) scanners_have_ = loaded.inspect;
    loaded.faults.insert(loaded.faults.end(), said.begin(), said.end());
}

// On the reloading thread. A refused reload changes nothing: scanners with its patterns would answer the policy that stays with `overloaded`.
void Instance::restore_scanners() {
    Diagnostics said;
    const inspect::SupervisorOptions options = supervisor_options(config_, *inspect_, said);
    if (!has_errors(said)) said = scanners_->load(options);
    if (!has_errors(said)) scanners_have_ = inspect_;
    else spdlog::error("the scanner processes keep what the refused reload gave them:\n{}", to_string(said));
}

void Instance::finish_reload(Loaded loaded) {
    ReloadResult result;
    const bool usable = loaded.is_usable();
    (usable ? result.warnings : result.error) = to_string(loaded.faults);
    if (usable) result.error = drain_until_ ? "draining: there will be no reload" : apply(loaded);
    const bool has_taken_scanners = loaded.inspect && loaded.inspect == scanners_have_;  // which `apply` has not made its own
    if (!has_taken_scanners || config_.inspect.engines.empty()) return end_reload(result);
    reloader_.join();
    reloader_ = std::thread([this, result = std::move(result)] {
        yield_to_workers();
        restore_scanners();
        boost::asio::post(main_, [this, result] { end_reload(result); });
    });
}

void Instance::end_reload(const ReloadResult& result) {
    last_reload_ = result.error.empty() ? "succeeded" : "refused";
    metrics_.main().add(result.error.empty() ? audit::Counter::reloads_succeeded : audit::Counter::reloads_failed);
    if (result.error.empty()) spdlog::info("reloaded: {} rules", policy_->rules().size());
    else spdlog::error("reload refused, nothing has changed:\n{}", result.error);
    if (!result.warnings.empty()) spdlog::warn("reload:\n{}", result.warnings);
    if (!drain_until_) sd_notify(0, "READY=1");
    const auto answered = std::exchange(waiting_for_reload_, {});
    for (const ReloadDone& done : answered) done(result);
    if (waiting_for_next_.empty()) return;
    auto next = std::exchange(waiting_for_next_, {});
    reload([next = std::move(next)](const ReloadResult& again) {
        for (const ReloadDone& done : next) done(again);
    });
}

std::string Instance::apply(Loaded& loaded) {
    const auto keys = keys_needing_restart(config_, loaded.config);
    if (!keys.empty()) return fmt::format("changed, but cannot change while it runs (restart): {}\n", fmt::join(keys, ", "));
    if (needs_authority(loaded.config, loaded.tls) && !interception_) return "tls: the CA was made after the start (restart)\n";
    if (loaded.config.log.events != config_.log.events) {
        if (const auto done = log_->reopen(loaded.config.log.events); !done)
            return fmt::format("log.events: {}: {}\n", loaded.config.log.events, std::strerror(done.error().cause));
    }
    retired_.push_back(std::move(policy_));
    policy_ = std::move(loaded.policy);
    inspect_ = std::move(loaded.inspect);
    tls_ = std::move(loaded.tls);
    config_ = std::move(loaded.config);
    set_diagnostics_level(config_.log.level);
    inspection_->storage.memory.set_limit(config_.inspect.memory);
    inspection_->storage.disk.set_limit(config_.inspect.disk);
    use_quarantine_options();
    connection_limits_.set(connections_, config_.limits.connections_per_client);
    ftp_sessions_.set(0, config_.ftp.sessions_per_client);
    use_generation();
    publish_gauges();
    return {};
}

void Instance::use_generation() {
    const http::Generation generation = make_generation(config_, policy_, inspect_, tls_, surroundings_, metrics_);
    const ftp::Generation ftp_generation = make_ftp_generation(config_, generation, tls_);
    const smtp::Generation smtp_generation = make_smtp_generation(config_, generation, tls_);
    runtime_->post_to_all([this, generation, ftp_generation, smtp_generation](net::Worker& worker) {
        services_[worker.index()]->replace(generation);
        ftp_services_[worker.index()]->replace(ftp_generation);
        smtp_services_[worker.index()]->replace(smtp_generation);
    });
}

void Instance::use_quarantine_options() {
    quarantine_.set_options(quarantine_options(config_));
    using std::chrono::milliseconds;
    sweep_pace_ = std::clamp<milliseconds>(config_.quarantine.keep / 10, std::chrono::seconds(1), std::chrono::minutes(10));
}

// A thread of its own: it waits for the disk.
void Instance::sweep_now_and_then(const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    bool has_failed = false;
    while (!stop.stop_requested()) {
        const auto swept = quarantine_.sweep();
        if (!swept && !has_failed)
            spdlog::warn("the quarantine cannot be swept: {} ({})", swept.error().what, std::strerror(swept.error().cause));
        has_failed = !swept;
        std::unique_lock lock(mutex);
        wake.wait_for(lock, stop, sweep_pace_.load(), [] { return false; });
    }
}

void Instance::every_other_second() {
    runtime_->reload_name_files_if_changed();
    auto addresses = policy::interface_addresses();
    if (addresses != surroundings_.interface_addresses && !drain_until_) {
        surroundings_.interface_addresses = std::move(addresses);
        use_generation();  // protect-host knows this machine's addresses
    }
    std::erase_if(retired_, [](const std::shared_ptr<const policy::Policy>& old) { return old.use_count() == 1; });
    watch_.expires_after(std::chrono::seconds(2));
    watch_.async_wait([this](boost::system::error_code error) {
        if (!error && !is_finished_) every_other_second();
    });
}

void Instance::drain() {
    sd_notify(0, "STOPPING=1");
    spdlog::info("draining: no new connections, at most {} s",
                 std::chrono::duration_cast<std::chrono::seconds>(config_.limits.drain).count());
    drain_until_ = Clock::now() + config_.limits.drain;
    is_ready_ = false;
    publish_gauges();
    runtime_->stop_accepting();
    runtime_->post_to_all([this](net::Worker& worker) {
        services_[worker.index()]->drain();
        ftp_services_[worker.index()]->drain();
        smtp_services_[worker.index()]->drain();
    });
    wait_for_drain();
}

void Instance::wait_for_drain() {
    // Over when nobody is connected any more; a connection that is being torn down counts until it is gone.
    const bool over = connection_limits_.total() == 0 && runtime_->live() == 0;
    if (over || Clock::now() >= *drain_until_) {
        if (!over) spdlog::warn("drain: {} connections are cut", connection_limits_.total());
        is_finished_ = true;
        main_.stop();
        return;
    }
    draining_timer_.expires_after(std::chrono::milliseconds(20));
    draining_timer_.async_wait([this](boost::system::error_code error) {
        if (!error) wait_for_drain();
    });
}

void Instance::finish() {
    sweeper_ = {};  // stopped, and waited for
    if (admin_) admin_->close();
    if (reloader_.joinable()) reloader_.join();
    runtime_->cancel_all();
    runtime_->stop();
    scanners_.reset();
    const bool clean = runtime_->live() == 0;
    log_->stop();
    control_.close();
    if (!clean) {
        // A task that does not end when it is cancelled is a defect; what it refers to must not be torn down under it.
        spdlog::error("{} tasks did not end", runtime_->live());
        spdlog::shutdown();
        std::_Exit(0);
    }
    listeners_.clear();
    smtp_services_.clear();
    ftp_services_.clear();
    services_.clear();
    // Calls that are still running tell a worker when they are over. A scanner elsewhere may take its time, which nobody waits for any more.
    passwords_.reset();
    if (inspection_->clamd_calls.is_idle() && inspection_->icap_calls.is_idle()) return inspection_.reset();
    spdlog::shutdown();
    std::_Exit(0);
}

}  // namespace sluice::app
