// SPDX-License-Identifier: Apache-2.0
// `sluice run`: the process from its first listener to its end. The main thread carries no traffic: it takes signals, answers the admin listener and the
// control socket, and has reloads prepared by a thread of their own. Workers are told by `post`.
#pragma once

#include "app/admin.h"
#include "app/control.h"
#include "app/generation.h"
#include "app/loaded.h"
#include "audit/log.h"
#include "audit/metrics.h"
#include "inspect/quarantine/quarantine.h"
#include "inspect/scanner/scanner_pool.h"
#include "inspect/setup.h"
#include "net/listener.h"
#include "net/runtime.h"
#include "policy/rate_limits.h"
#include "sessions/ftp/service.h"
#include "sessions/http/interception.h"
#include "sessions/http/service.h"
#include "sessions/smtp/service.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace sluice::app {

class Instance {
public:
    Instance(std::string config_option, Loaded loaded);
    ~Instance();
    Instance(const Instance&) = delete;
    Instance& operator=(const Instance&) = delete;

    int run();  // the exit code

private:
    using Clock = std::chrono::steady_clock;
    // What a reload came to: nothing, or why it was refused; and warnings.
    struct ReloadResult {
        std::string error;
        std::string warnings;
    };
    using ReloadDone = std::function<void(const ReloadResult&)>;

    // Start, in this order. An error: said already, the process ends.
    bool bind();
    bool open_authority();
    bool drop_privileges();
    bool start_inspection();
    bool start_workers();
    void announce();

    void wait_for_signal();
    void on_signal(int number);
    bool on_command(const std::string& command, ControlSocket::Answer answer);
    boost::json::object status() const;

    void reload(ReloadDone done);
    void load_scanners(Loaded& loaded);
    void restore_scanners();
    void finish_reload(Loaded loaded);
    void end_reload(const ReloadResult& result);
    std::string apply(Loaded& loaded);  // empty, or why not
    void use_generation();
    void publish_gauges();
    void publish_scanners();
    std::string reopen();  // empty, or why not

    void use_quarantine_options();
    void sweep_now_and_then(const std::stop_token& stop);
    void every_other_second();
    void drain();
    void wait_for_drain();
    void finish();

    const std::string config_option_;
    Config config_;
    std::shared_ptr<const policy::Policy> policy_;
    std::shared_ptr<const inspect::Setup> inspect_;
    Tls tls_;
    std::vector<std::shared_ptr<const policy::Policy>>
        retired_;  // until no worker uses them: a worker must not be the one that frees a large one
    Surroundings surroundings_;
    const Clock::time_point started_ = Clock::now();

    boost::asio::io_context main_{1};
    boost::asio::signal_set signals_{main_};
    boost::asio::steady_timer watch_{main_};
    boost::asio::steady_timer draining_timer_{main_};
    ControlSocket control_;
    std::vector<net::ListenSocket> admin_sockets_;
    std::vector<std::vector<net::ListenSocket>> http_sockets_;  // by address, then by worker
    std::vector<std::vector<net::ListenSocket>> ftp_sockets_;
    std::vector<std::vector<net::ListenSocket>> smtp_sockets_;

    // Destroyed from the last to the first.
    audit::Metrics metrics_;
    net::ConnectionLimits connection_limits_;
    net::ConnectionLimits ftp_sessions_{0, 0};
    policy::RateLimits rate_limits_;
    inspect::Quarantine quarantine_;
    std::unique_ptr<inspect::Shared> inspection_;  // what payloads wait in, and who scans them
    std::unique_ptr<AdminListener> admin_;
    std::unique_ptr<audit::Log> log_;
    std::unique_ptr<sessions::PasswordChecker> passwords_;
    std::unique_ptr<net::Runtime> runtime_;
    std::unique_ptr<http::Interception> interception_;  // null: there is no CA. Its thread ends before the workers that it tells go
    std::unique_ptr<inspect::ScannerPool> scanners_;  // goes before the workers do, and after their loops have ended
    std::vector<std::unique_ptr<http::Service>> services_;  // by worker
    std::vector<std::unique_ptr<ftp::Service>> ftp_services_;  // likewise; they have the former's leaves, as have the next
    std::vector<std::unique_ptr<smtp::Service>> smtp_services_;
    std::vector<std::unique_ptr<net::Listener>> listeners_;  // several a worker

    std::thread reloader_;
    std::jthread sweeper_;  // of the quarantine
    std::atomic<std::chrono::milliseconds> sweep_pace_{};
    std::vector<ReloadDone> waiting_for_reload_;  // of the one under way
    std::vector<ReloadDone> waiting_for_next_;  // asked for since then
    std::string last_reload_ = "none";
    std::optional<Clock::time_point> drain_until_;
    // What the scanners were given last. Null: there are none. Not always `inspect_`: that may have no engines, or the patterns that they have.
    std::shared_ptr<const inspect::Setup> scanners_have_;
    std::uint64_t scanner_crashes_ = 0;  // that metrics know of
    std::size_t connections_ = 0;  // in all: as configured, or as many as there are descriptors for
    bool is_ready_ = false;
    bool is_finished_ = false;
};

// The command: everything from the configuration on. Messages go to standard error.
int run_instance(const std::string& config_option);

}  // namespace sluice::app
