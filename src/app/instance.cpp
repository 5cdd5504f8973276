// SPDX-License-Identifier: Apache-2.0
#include "app/instance.h"

#include "app/authority.h"
#include "app/commands.h"
#include "app/diagnostics_log.h"
#include "app/inspection.h"
#include "app/interception.h"
#include "app/privileges.h"
#include "app/scanners.h"
#include "audit/prometheus.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace sluice::app {

namespace {

void say(const std::string& line) {
    const std::string whole = line + "\n";
    std::fwrite(whole.data(), 1, whole.size(), stderr);
    std::fflush(stderr);
}

// The errno of binding a socket there that shares the port with nobody, or 0.
int error_of_binding(const IpPort& at) {
    sockaddr_storage storage{};
    socklen_t length = 0;
    if (at.address.is_v4()) {
        auto& address = reinterpret_cast<sockaddr_in&>(storage);
        address.sin_family = AF_INET;
        address.sin_port = htons(at.port);
        address.sin_addr.s_addr = htonl(at.address.to_v4());
        length = sizeof address;
    } else {
        auto& address = reinterpret_cast<sockaddr_in6&>(storage);
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(at.port);
        std::memcpy(&address.sin6_addr, at.address.bytes().data(), 16);
        length = sizeof address;
    }
    const int descriptor = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return errno;
    const int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);         // connections that have ended do not count
    if (at.address.is_v6()) setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    const int error = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&storage), length) == 0 ? 0 : errno;
    close(descriptor);
    return error;
}

std::size_t list_entries(const policy::Policy& policy) {
    std::size_t entries = 0;
    for (std::size_t i = 0; i < policy.lists().size(); ++i) entries += policy.lists().report(static_cast<policy::ListId>(i)).entries;
    return entries;
}

}  // namespace

Instance::Instance(std::string config_option, Loaded loaded)
    : config_option_(std::move(config_option)),
      config_(std::move(loaded.config)),
      policy_(std::move(loaded.policy)),
      inspect_(std::move(loaded.inspect)),
      tls_(std::move(loaded.tls)),
      control_(main_, [this](const std::string& command, ControlSocket::Answer answer) { return on_command(command, std::move(answer)); }),
      metrics_(worker_count(config_)),
      connection_limits_(0, 0),
      quarantine_(quarantine_options(config_)) {}

Instance::~Instance() {
    if (reloader_.joinable()) reloader_.join();
}

int Instance::run() {
    std::signal(SIGPIPE, SIG_IGN);
    set_up_diagnostics(config_.log.level);
    if (!config_.timezone.empty()) {
        setenv("TZ", config_.timezone.c_str(), 1);
        tzset();
    }
    if (!bind() || !open_authority() || !drop_privileges() || !start_inspection() || !start_workers()) return exit_fault;
    wait_for_signal();                                     // before anybody is told that it may be stopped
    announce();
    every_other_second();
    main_.run();
    finish();
    return exit_good;
}

bool Instance::bind() {
    const auto cannot_listen = [](const IpPort& address, std::string_view key, const Error& error) {
        say(fmt::format("sluice: {}: cannot listen on {}: {}", key, address.to_string(),
                        error.cause == 0 ? std::string(error.what) : std::string(std::strerror(error.cause))));
        return false;
    };
    // Listeners share their ports with one another (SO_REUSEPORT), and would with another process of this user: that nobody listens there is tried first.
    struct Wanted {
        std::string_view key;
        const std::vector<IpPort>& addresses;
        std::vector<std::vector<net::ListenSocket>>* sockets;  // null: one each, for this thread
    };
    const std::array<Wanted, 7> all{{{"http.listen", config_.http.listen, &http_sockets_},
                                     {"http.listen", config_.http.tls_listen, &http_sockets_},
                                     {"ftp.listen", config_.ftp.listen, &ftp_sockets_},
                                     {"ftp.implicit_tls", config_.ftp.implicit_tls, &ftp_sockets_},
                                     {"smtp.listen", config_.smtp.listen, &smtp_sockets_},
                                     {"smtp.implicit_tls", config_.smtp.implicit_tls, &smtp_sockets_},
                                     {"admin.listen", config_.admin.listen, nullptr}}};
    for (const Wanted& wanted : all)
        for (const IpPort& address : wanted.addresses)
            if (const int error = error_of_binding(address); error != 0)
                return cannot_listen(address, wanted.key, Error{Errc::io_failed, Side::self, "cannot bind", error});
    for (const Wanted& wanted : all) {
        for (const IpPort& address : wanted.addresses) {
            if (wanted.sockets == nullptr) break;
            auto sockets = net::ListenSocket::open(address, worker_count(config_));
            if (!sockets) return cannot_listen(address, wanted.key, sockets.error());
            wanted.sockets->push_back(std::move(*sockets));
        }
    }
    for (const IpPort& address : config_.admin.listen) {
        auto socket = net::ListenSocket::open(address);
        if (!socket) return cannot_listen(address, "admin.listen", socket.error());
        admin_sockets_.push_back(std::move(*socket));
    }
    return true;
}

// The key is root's, where it can be: the signer has it before we are somebody else.
bool Instance::open_authority() {
    if (!has_authority(config_)) return true;
    auto opened = open_interception(config_);
    if (opened) {
        interception_ = std::move(*opened);
        return true;
    }
    say("sluice: " + opened.error());
    if (needs_authority(config_, tls_)) return false;
    spdlog::warn("TLS cannot be decrypted until that is mended and this is started again");
    return true;
}

bool Instance::drop_privileges() {
    const bool is_root = geteuid() == 0;
    std::optional<std::pair<uid_t, gid_t>> owner;
    std::optional<UserIds> ids;
    if (!config_.user.empty()) {
        const auto found = find_user(config_.user);
        if (!found) {
            say("sluice: " + found.error());
            return false;
        }
        ids = *found;
        if (is_root) owner.emplace(ids->uid, ids->gid);
    } else if (is_root) {
        spdlog::warn("running as root: set `user` to drop to another once the listeners are bound");
    }
    if (const auto opened = control_.open(config_.state_dir, owner); !opened) {
        say("sluice: state_dir: " + opened.error());
        return false;
    }
    if (const auto prepared = quarantine_.prepare(owner); !prepared) {
        const Error& error = prepared.error();
        const std::string why = fmt::format("quarantine.dir: {}: {}{}{}", config_.quarantine.dir.string(), error.what,
                                            error.cause ? ": " : "", error.cause ? std::strerror(error.cause) : "");
        if (inspect_ && inspect_->keeps_content) {
            say("sluice: " + why);
            return false;
        }
        spdlog::info("{} (no rule has the action quarantine)", why);
    }
    const std::size_t descriptors = raise_descriptor_limit();
    const std::size_t affordable = connections_for(descriptors, worker_count(config_));
    connections_ = config_.limits.connections == 0 ? affordable : config_.limits.connections;
    if (connections_ > affordable)
        spdlog::warn("limits.connections: {} need more descriptors than the {} there are (RLIMIT_NOFILE)", connections_, descriptors);
    connection_limits_.set(connections_, config_.limits.connections_per_client);
    ftp_sessions_.set(0, config_.ftp.sessions_per_client);
    if (ids) {
        if (const auto done = become(config_.user, *ids); !done) {
            say("sluice: " + done.error());
            return false;
        }
    }
    forbid_new_privileges();
    return true;
}

bool Instance::start_inspection() {
    auto opened = open_inspection(config_);
    if (!opened) {
        say("sluice: " + opened.error());
        return false;
    }
    inspection_ = std::move(*opened);
    inspection_->quarantine = &quarantine_;
    scanners_ = start_scanners();
    if (!scanners_) return false;
    inspection_->scanners = scanners_.get();
    if (config_.inspect.engines.empty()) return true;  // processes are started by the reload that asks for any
    scanners_have_ = inspect_;
    Diagnostics said;
    const inspect::SupervisorOptions options = supervisor_options(config_, *inspect_, said);
    if (!has_errors(said)) said = scanners_->load(options);
    if (!said.empty()) say("sluice: the scanner processes say:\n" + to_string(said));
    return !has_errors(said);
}

bool Instance::start_workers() {
    const std::size_t workers = worker_count(config_);
    audit::LogOptions options;
    options.destination = config_.log.events;
    options.report = [](std::string_view message) { spdlog::warn("{}", message); };
    log_ = std::make_unique<audit::Log>(std::move(options), workers);
    if (const auto started = log_->start(); !started) {
        say(fmt::format("sluice: log.events: {}: {}", config_.log.events, std::strerror(started.error().cause)));
        return false;
    }
    net::ResolverConfig resolver{config_.dns.hosts.string(), config_.dns.resolv_conf.string(), {}};
    for (const IpPort& server : config_.dns.servers) resolver.servers.push_back(server.to_string());
    passwords_ = std::make_unique<sessions::PasswordChecker>();
    try {
        runtime_ = std::make_unique<net::Runtime>(workers, config_.limits, resolver);
    } catch (const std::exception& error) {  // epoll and event descriptors: the system has none left
        say(fmt::format("sluice: cannot start {} workers: {}", workers, error.what()));
        return false;
    }
    surroundings_ = {new_via_name(), policy::interface_addresses()};
    const http::Generation generation = make_generation(config_, policy_, inspect_, tls_, surroundings_, metrics_);
    const ftp::Generation ftp_generation = make_ftp_generation(config_, generation, tls_);
    const smtp::Generation smtp_generation = make_smtp_generation(config_, generation, tls_);
    for (std::size_t i = 0; i < workers; ++i) {
        net::Worker& worker = runtime_->worker(i);
        services_.push_back(std::make_unique<http::Service>(
            http::Service::Parts{worker, rate_limits_, *passwords_, log_->lane(i), metrics_.worker(i), *inspection_, interception_.get(),
                                 [this, i](sessions::FtpOrigin origin) { return ftp_services_[i]->open_url(std::move(origin)); }},
            generation));
        ftp_services_.push_back(std::make_unique<ftp::Service>(
            ftp::Service::Parts{worker, rate_limits_, log_->lane(i), metrics_.worker(i), *inspection_, ftp_sessions_, *passwords_,
                                interception_ ? &services_.back()->leaves() : nullptr},
            ftp_generation));
        smtp_services_.push_back(
            std::make_unique<smtp::Service>(smtp::Service::Parts{worker, rate_limits_, log_->lane(i), metrics_.worker(i), *inspection_,
                                                                 *passwords_, interception_ ? &services_.back()->leaves() : nullptr},
                                            smtp_generation));
        const auto listen = [&](net::ListenSocket& socket, net::Listener::Handler accept) {
            listeners_.push_back(std::make_unique<net::Listener>(
                worker, std::move(socket), connection_limits_, std::move(accept), [shard = &metrics_.worker(i)](const Error& error) {
                    shard->refused(audit::Refusal::no_descriptors);
                    spdlog::warn("accepting pauses: {} ({})", error.what, std::strerror(error.cause));
                }));
        };
        for (auto& sockets : http_sockets_)
            listen(sockets[i], [service = services_.back().get()](net::Accepted accepted) { service->accept(std::move(accepted)); });
        for (auto& sockets : ftp_sockets_)
            listen(sockets[i], [service = ftp_services_.back().get()](net::Accepted accepted) { service->accept(std::move(accepted)); });
        for (auto& sockets : smtp_sockets_)
            listen(sockets[i], [service = smtp_services_.back().get()](net::Accepted accepted) { service->accept(std::move(accepted)); });
    }
    runtime_->reload_name_files_if_changed();
    runtime_->start();
    use_quarantine_options();
    sweeper_ = std::jthread([this](const std::stop_token& stop) { sweep_now_and_then(stop); });
    admin_ =
        std::make_unique<AdminListener>(main_, AdminListener::Answers{[this] { return is_ready_; },
                                                                      [this] {
                                                                          publish_scanners();
                                                                          return audit::prometheus_text(metrics_, log_.get(), version());
                                                                      }});
    admin_->start(std::move(admin_sockets_));
    admin_sockets_.clear();
    control_.start();
    return true;
}

void Instance::announce() {
    for (const IpPort& address : config_.http.listen) say(fmt::format("http listens on {}", address.to_string()));
    for (const IpPort& address : config_.http.tls_listen) say(fmt::format("http listens on https://{}", address.to_string()));
    for (const IpPort& address : config_.ftp.listen) say(fmt::format("ftp listens on {}", address.to_string()));
    for (const IpPort& address : config_.ftp.implicit_tls) say(fmt::format("ftp listens on {}, in TLS", address.to_string()));
    if (config_.ftp.is_on() && config_.ftp.client_tls != ClientTls::off && !tls_.ftp_own)
        spdlog::info("FTP clients are offered no TLS: there is neither tls.certificate nor a CA (`sluice ca init`)");
    for (const IpPort& address : config_.smtp.listen) say(fmt::format("smtp listens on {}", address.to_string()));
    for (const IpPort& address : config_.smtp.implicit_tls) say(fmt::format("smtp listens on {}, in TLS", address.to_string()));
    if (config_.smtp.is_on() && config_.smtp.client_tls != ClientTls::off && !tls_.smtp_own)
        spdlog::info("SMTP clients are offered no TLS: there is neither tls.certificate nor a CA (`sluice ca init`)");
    for (const IpPort& address : config_.admin.listen) say(fmt::format("admin listens on {}", address.to_string()));
    is_ready_ = true;
    publish_gauges();
    say("ready");
    sd_notify(0, "READY=1");
}

void Instance::publish_gauges() {
    audit::MetricsShard& shard = metrics_.main();
    shard.set(audit::Gauge::ready, is_ready_ ? 1 : 0);
    shard.set(audit::Gauge::rules, static_cast<std::int64_t>(policy_->rules().size()));
    shard.set(audit::Gauge::list_entries, static_cast<std::int64_t>(list_entries(*policy_)));
    shard.set(audit::Gauge::policy_loaded_seconds, std::time(nullptr));
}

void Instance::publish_scanners() {
    const inspect::ScannerPool::Counters now = scanners_->counters();
    audit::MetricsShard& shard = metrics_.main();
    shard.set(audit::Gauge::scanner_queue, static_cast<std::int64_t>(now.queued));
    shard.add(audit::Counter::scanner_crashes, now.crashes - std::exchange(scanner_crashes_, now.crashes));
}

void Instance::wait_for_signal() {
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1}) {
        boost::system::error_code ignored;
        signals_.add(number, ignored);
    }
    signals_.async_wait([this](boost::system::error_code error, int number) {
        if (error) return;
        on_signal(number);
        if (!is_finished_) wait_for_signal();
    });
}

void Instance::on_signal(int number) {
    if (number == SIGTERM || number == SIGINT) {
        if (!drain_until_) return drain();
        spdlog::warn("a second signal: ending now");
        drain_until_ = Clock::now();
        return wait_for_drain();
    }
    if (number == SIGUSR1) {
        reopen();
        return;
    }
    reload([this](const ReloadResult&) { reopen(); });
}

bool Instance::on_command(const std::string& command, ControlSocket::Answer answer) {
    if (command == "status") {
        answer(status());
    } else if (command == "reload") {
        reload([answer = std::move(answer)](const ReloadResult& result) {
            boost::json::object object{{"ok", result.error.empty()}};
            if (!result.error.empty()) object["error"] = result.error;
            if (!result.warnings.empty()) object["warnings"] = result.warnings;
            answer(std::move(object));
        });
    } else if (command == "reopen") {
        const std::string error = reopen();
        answer(error.empty() ? boost::json::object{{"ok", true}} : boost::json::object{{"ok", false}, {"error", error}});
    } else if (command == "stop") {
        answer({{"ok", true}});
        if (!drain_until_) drain();
    } else {
        return false;
    }
    return true;
}

boost::json::object Instance::status() const {
    const audit::MetricsSnapshot numbers = metrics_.snapshot();
    const audit::Log::Counters events = log_->counters();
    boost::json::array files, http, ftp, smtp, admin;
    for (const auto& file : config_.files) files.emplace_back(file.string());
    if (files.empty()) files.emplace_back("(embedded default)");
    for (const IpPort& address : config_.http.listen) http.emplace_back(address.to_string());
    for (const IpPort& address : config_.http.tls_listen) http.emplace_back("https://" + address.to_string());
    for (const IpPort& address : config_.ftp.listen) ftp.emplace_back(address.to_string());
    for (const IpPort& address : config_.ftp.implicit_tls) ftp.emplace_back("ftps://" + address.to_string());
    for (const IpPort& address : config_.smtp.listen) smtp.emplace_back(address.to_string());
    for (const IpPort& address : config_.smtp.implicit_tls) smtp.emplace_back("smtps://" + address.to_string());
    for (const IpPort& address : config_.admin.listen) admin.emplace_back(address.to_string());
    boost::json::object lists;
    for (std::size_t i = 0; i < policy_->lists().size(); ++i) {
        const auto id = static_cast<policy::ListId>(i);
        lists[std::string(policy_->lists().name(id))] = policy_->lists().report(id).entries;
    }
    boost::json::array refused;
    if (interception_)
        for (const http::Unwilling::Listed& name : interception_->unwilling.list(Clock::now()))
            refused.push_back(
                {{"name", name.name}, {"clients", name.clients}, {"failures", name.failures}, {"enough_to_exempt", name.is_enough}});
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - started_).count();
    return {
        {"ok", true},
        {"state", drain_until_ ? "draining" : "running"},
        {"version", std::string(version())},
        {"pid", getpid()},
        {"uptime_seconds", uptime},
        {"config", std::move(files)},
        {"http", std::move(http)},
        {"ftp", std::move(ftp)},
        {"smtp", std::move(smtp)},
        {"admin", std::move(admin)},
        {"workers", runtime_->size()},
        {"client_connections", connection_limits_.total()},
        {"server_connections", numbers[audit::Gauge::server_connections]},
        {"tunnels", numbers[audit::Gauge::tunnels]},
        {"requests", numbers[audit::Counter::requests]},
        {"rules", policy_->rules().size()},
        {"lists", std::move(lists)},
        {"events_written", events.written},
        {"events_dropped", events.dropped_full + events.dropped_disk},
        {"last_reload", last_reload_},
        {"tls_refused", std::move(refused)},
    };
}

std::string Instance::reopen() {
    const auto done = log_->reopen();
    if (done) {
        spdlog::info("event log reopened");
        return {};
    }
    const std::string error =
        fmt::format("log.events: {}: {}; the old file stays in use", config_.log.events, std::strerror(done.error().cause));
    spdlog::error("{}", error);
    return error;
}

int run_instance(const std::string& config_option) {
    Loaded loaded = load(config_option, nullptr);
    fmt::print(stderr, "{}", to_string(loaded.faults));
    if (!loaded.is_usable()) return exit_fault;
    Instance instance(config_option, std::move(loaded));
    return instance.run();
}

}  // namespace sluice::app
