// SPDX-License-Identifier: Apache-2.0
// Requests over TLS, through a proxy that is asked by CONNECT or straight to the target, as fast as they go. The certificate and its name are always
// verified, so where a proxy should intercept, `--ca` is its CA alone: a tunnel that it does not open is then a failure. All is on 127.0.0.1; names are only said.
//   tls_load --proxy PORT --target HOST:PORT --ca FILE [--direct] [--mode new|keep|names] [--resume] [--connections N] [--seconds S] [--path P]
//            [--first N] [--count N] [--wait]
// new: a connection for each request. keep: each connection stays, and one that the server closes is a failure. names: each connection is to a name that
// was not asked for before (n000001.HOST, from --first on, --count of them), then one more to the same name; both are timed until the handshake is done.
// --direct: no CONNECT, TLS begins at once with what listens on --proxy. --resume: each of the N offers the session that it got last.
// --wait, for keep: once each connection has had an answer, prints "ready", waits for a line, and counts from there, so that handshakes can be left out.
// When the time is over nothing is begun, but what has begun is waited for and counted: else a slow proxy would have worked for what nobody counts.
// An answer is good when it is a 200 with all of its Content-Length. Prints one line of WORD=NUMBER; why requests failed goes to standard error.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sockets.h"

namespace {

using namespace load;

enum class Mode { fresh, keep, names };

struct Options {
    int proxy = 0;
    std::string host;  // without the port
    int port = 0;
    std::string ca;
    std::string path = "/";
    Mode mode = Mode::fresh;
    bool direct = false;
    bool resume = false;
    bool wait = false;
    int connections = 1;
    double seconds = 4;
    std::uint64_t first = 1;
    std::uint64_t count = ~std::uint64_t{0};
};

std::vector<char> trash(256 * 1024);

double at(std::vector<std::int64_t>& times, double share) {
    if (times.empty()) return 0;
    std::sort(times.begin(), times.end());
    return static_cast<double>(times[static_cast<std::size_t>(share * static_cast<double>(times.size() - 1))]) / 1e3;
}

struct Tally {
    std::vector<std::int64_t> requests;  // ns from the connection's begin, or on a kept one from the request's, to the last octet
    std::vector<std::int64_t> handshakes;  // ns from the connection's begin until the handshake is done; in `names` those of new names
    std::vector<std::int64_t> known_names;  // the same, of names asked for the second time
    std::uint64_t failed = 0;
    std::uint64_t opened = 0;
    std::uint64_t resumed = 0;
    std::map<std::string, std::uint64_t> faults;
};

enum class Phase { warming, running, draining };

// What all connections share.
struct State {
    Tally tally;
    Phase phase = Phase::running;
    std::uint64_t next_name = 1;
    std::uint64_t end_of_names = 0;
};

// One connection at a time, to be stepped whenever its socket may have become ready.
class Client {
public:
    Client(const Options& options, SSL_CTX* context, int epoll, State& state)
        : options_(options),
          context_(context),
          epoll_(epoll),
          state_(state),
          tally_(state.tally) {}
    ~Client() {
        close_connection();
        SSL_SESSION_free(session_);
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Opens the next connection. Nothing happens when the time is over, or there are no more names.
    void open() {
        if (state_.phase == Phase::draining) return;
        name_ = options_.host;
        if (options_.mode == Mode::names) {
            again_ = !again_ && number_ != 0;
            if (!again_ && state_.next_name == state_.end_of_names) {
                number_ = 0;
                return;
            }
            if (!again_) number_ = state_.next_name++;
            char label[24];
            std::snprintf(label, sizeof label, "n%06llu.", static_cast<unsigned long long>(number_));
            name_ = label + name_;
        }
        authority_ = name_ + ":" + std::to_string(options_.port);
        const char* fate = options_.mode == Mode::keep ? "keep-alive" : "close";
        request_ = "GET " + options_.path + " HTTP/1.1\r\nHost: " + authority_ + "\r\nConnection: " + fate + "\r\n\r\n";
        out_ = options_.direct ? "" : "CONNECT " + authority_ + " HTTP/1.1\r\nHost: " + authority_ + "\r\n\r\n";
        begun_ = opened_ = now_ns();
        ++tally_.opened;
        fd_ = connect_to(options_.proxy);
        begin_tls();
        stage_ = options_.direct ? Stage::handshake : Stage::ask;
        watch(epoll_, fd_, EPOLLIN | EPOLLOUT | EPOLLET, this);
    }

    void step() {
        while (fd_ >= 0 && !is_held_) {
            switch (advance()) {
                case Outcome::waiting: return;
                case Outcome::next: break;
                case Outcome::done: finish(); break;
                case Outcome::failed:
                    note(fault_);
                    close_connection();
                    open();
                    return;  // not at once: where all fail, the time must still end
            }
        }
    }

    void give_up() {
        if (fd_ < 0) return;
        note("no answer in time");
        close_connection();
    }

    // Lets a connection go on that was held when it had its first answer.
    void release() {
        is_held_ = false;
        begun_ = now_ns();
        step();
    }

    bool is_held() const { return is_held_; }
    bool is_open() const { return fd_ >= 0; }

    static int keep_session(SSL* tls, SSL_SESSION* session) {
        auto* client = static_cast<Client*>(SSL_get_app_data(tls));
        SSL_SESSION_free(client->session_);
        client->session_ = session;
        return 1;
    }

private:
    enum class Stage { ask, answer, handshake, request, response };
    enum class Outcome { waiting, next, done, failed };

    void begin_tls() {
        tls_ = SSL_new(context_);
        if (!tls_ || SSL_set_fd(tls_, fd_) != 1) die("SSL_new");
        SSL_set_app_data(tls_, this);
        if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls_), name_.c_str()) != 1) {  // no address: a name
            if (SSL_set1_host(tls_, name_.c_str()) != 1 || SSL_set_tlsext_host_name(tls_, name_.c_str()) != 1) die("SSL_set1_host");
        }
        ERR_clear_error();
        if (options_.resume && session_) SSL_set_session(tls_, session_);
        SSL_set_connect_state(tls_);
    }

    Outcome advance() {
        switch (stage_) {
            case Stage::ask: return ask();
            case Stage::answer: return read_answer();
            case Stage::handshake: return shake_hands();
            case Stage::request: return send_request();
            case Stage::response: return read_response();
        }
        return Outcome::waiting;
    }

    Outcome ask() {
        const ssize_t sent = send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
        if (sent < 0) return errno == EAGAIN ? Outcome::waiting : failed("the connection to the proxy failed");
        out_.erase(0, static_cast<std::size_t>(sent));
        if (out_.empty()) {
            head_.clear();
            stage_ = Stage::answer;
        }
        return Outcome::next;
    }

    Outcome read_answer() {
        const ssize_t got = recv(fd_, trash.data(), trash.size(), 0);
        if (got < 0 && errno == EAGAIN) return Outcome::waiting;
        if (got <= 0) return failed("the proxy closed instead of answering CONNECT");
        head_.append(trash.data(), static_cast<std::size_t>(got));
        const std::size_t end = head_.find("\r\n\r\n");
        if (end == std::string::npos) return Outcome::next;
        if (head_.compare(0, 7, "HTTP/1.") != 0 || head_.compare(8, 4, " 200") != 0)
            return failed("CONNECT was answered " + head_.substr(0, 12));
        if (end + 4 != head_.size()) return failed("something followed the answer to CONNECT");
        stage_ = Stage::handshake;
        return Outcome::next;
    }

    Outcome shake_hands() {
        const int result = SSL_do_handshake(tls_);
        if (result != 1) return of_tls(result, "handshake");
        (again_ ? tally_.known_names : tally_.handshakes).push_back(now_ns() - opened_);
        if (SSL_session_reused(tls_)) ++tally_.resumed;
        out_ = request_;
        stage_ = Stage::request;
        return Outcome::next;
    }

    Outcome send_request() {
        const int sent = SSL_write(tls_, out_.data(), static_cast<int>(out_.size()));
        if (sent <= 0) return of_tls(sent, "request");
        head_.clear();
        left_ = -1;
        stage_ = Stage::response;
        return Outcome::next;
    }

    Outcome read_response() {
        const int got = SSL_read(tls_, trash.data(), static_cast<int>(trash.size()));
        if (got <= 0) return of_tls(got, "answer");
        std::int64_t body = got;
        if (left_ < 0) {
            head_.append(trash.data(), static_cast<std::size_t>(got));
            const std::size_t end = head_.find("\r\n\r\n");
            if (end == std::string::npos) return Outcome::next;
            if (head_.compare(0, 13, "HTTP/1.1 200 ") != 0) return failed("the answer is " + head_.substr(0, 12));
            left_ = content_length(std::string_view(head_).substr(0, end + 2));
            if (left_ < 0) return failed("an answer without a Content-Length");
            body = static_cast<std::int64_t>(head_.size() - end - 4);
        }
        left_ -= body;
        if (left_ < 0) return failed("an answer longer than its Content-Length");
        return left_ == 0 ? Outcome::done : Outcome::next;
    }

    // -1: there is none.
    static std::int64_t content_length(std::string_view head) {
        constexpr std::string_view field = "\ncontent-length:";
        const auto is_same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
        const auto found = std::search(head.begin(), head.end(), field.begin(), field.end(), is_same);
        if (found == head.end()) return -1;
        std::string_view text = head.substr(static_cast<std::size_t>(found - head.begin()) + field.size());
        text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
        std::int64_t value = -1;
        std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    }

    Outcome of_tls(int result, const char* what) {
        const int why = SSL_get_error(tls_, result);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return Outcome::waiting;
        std::string text = std::string(what) + ": ";
        const long verified = SSL_get_verify_result(tls_);
        if (verified != X509_V_OK) text += X509_verify_cert_error_string(verified);
        else if (const char* reason = ERR_reason_error_string(ERR_peek_last_error())) text += reason;
        else text += "the connection ended";
        ERR_clear_error();
        return failed(std::move(text));
    }

    Outcome failed(std::string fault) {
        fault_ = std::move(fault);
        return Outcome::failed;
    }

    void note(const std::string& fault) {
        ++tally_.failed;
        ++tally_.faults[fault];
    }

    void finish() {
        const std::int64_t now = now_ns();
        tally_.requests.push_back(now - begun_);
        if (options_.mode == Mode::keep && state_.phase != Phase::draining) {
            is_held_ = state_.phase == Phase::warming;
            begun_ = now;
            out_ = request_;
            stage_ = Stage::request;
            return;
        }
        close_connection();
        open();
    }

    void close_connection() {
        if (fd_ < 0) return;
        SSL_shutdown(tls_);  // a session whose connection just ends could not be resumed
        ERR_clear_error();
        SSL_free(tls_);
        close(fd_);
        tls_ = nullptr;
        fd_ = -1;
    }

    const Options& options_;
    SSL_CTX* context_;
    int epoll_;
    State& state_;
    Tally& tally_;
    int fd_ = -1;
    SSL* tls_ = nullptr;
    SSL_SESSION* session_ = nullptr;
    Stage stage_ = Stage::ask;
    std::string name_;
    std::string authority_;
    std::string request_;
    std::string out_;
    std::string head_;
    std::string fault_;
    std::int64_t left_ = -1;  // octets of the body still to come; -1: the head is not there yet
    std::int64_t begun_ = 0;
    std::int64_t opened_ = 0;
    std::uint64_t number_ = 0;  // of the name; 0: none yet
    bool again_ = false;
    bool is_held_ = false;
};

SSL_CTX* make_context(const Options& options) {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    if (!context || SSL_CTX_load_verify_locations(context, options.ca.c_str(), nullptr) != 1) {
        std::fprintf(stderr, "tls_load: %s has no certificates\n", options.ca.c_str());
        std::exit(2);
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, options.resume ? SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL : SSL_SESS_CACHE_OFF);
    if (options.resume) SSL_CTX_sess_set_new_cb(context, &Client::keep_session);
    return context;
}

using Clients = std::vector<std::unique_ptr<Client>>;

// Steps whoever is ready until `is_over`, or that many seconds have passed.
template <class Condition>
void drive(int epoll, double seconds, Condition is_over) {
    std::vector<epoll_event> events(256);
    const std::int64_t stop = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
    while (now_ns() < stop && !is_over()) {
        const int count = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 20);
        for (int i = 0; i < count; ++i) static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr)->step();
    }
}

void print(const Options& options, State& state, double seconds) {
    Tally& tally = state.tally;
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf(
        "ok=%zu failed=%llu seconds=%.3f p50_us=%.1f p99_us=%.1f opened=%llu resumed=%llu handshake_p50_us=%.1f handshake_p99_us=%.1f",
        tally.requests.size(), number(tally.failed), seconds, at(tally.requests, 0.5), at(tally.requests, 0.99), number(tally.opened),
        number(tally.resumed), at(tally.handshakes, 0.5), at(tally.handshakes, 0.99));
    if (options.mode == Mode::names)
        std::printf(" again_p50_us=%.1f again_p99_us=%.1f next=%llu", at(tally.known_names, 0.5), at(tally.known_names, 0.99),
                    number(state.next_name));
    std::printf("\n");
    for (const auto& [fault, count] : tally.faults) std::fprintf(stderr, "%llu: %s\n", number(count), fault.c_str());
}

int run(const Options& options) {
    constexpr double patience = 20;  // seconds for what is waited for
    SSL_CTX* context = make_context(options);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    State state;
    state.next_name = options.first;
    state.end_of_names = options.count > ~options.first ? ~std::uint64_t{0} : options.first + options.count;
    if (options.wait) state.phase = Phase::warming;
    std::int64_t start = now_ns();
    Clients clients;
    for (int i = 0; i < options.connections; ++i) {
        clients.push_back(std::make_unique<Client>(options, context, epoll, state));
        clients.back()->open();
    }
    if (options.wait) {
        drive(epoll, patience, [&] { return std::ranges::all_of(clients, &Client::is_held); });
        state.tally.requests.clear();
        state.phase = Phase::running;
        std::puts("ready");
        std::fflush(stdout);
        while (std::getchar() != '\n' && !std::feof(stdin)) {}
        start = now_ns();
        for (const auto& client : clients) client->release();
    }
    const auto none_is_open = [&] { return std::ranges::none_of(clients, &Client::is_open); };
    drive(epoll, options.seconds, none_is_open);
    state.phase = Phase::draining;
    drive(epoll, patience, none_is_open);
    const double seconds = static_cast<double>(now_ns() - start) / 1e9;
    for (const auto& client : clients) client->give_up();
    print(options, state, seconds);
    clients.clear();
    SSL_CTX_free(context);
    return state.tally.failed || state.tally.requests.empty() ? 1 : 0;
}

[[noreturn]] void usage() {
    std::fprintf(stderr,
                 "tls_load --proxy PORT --target HOST:PORT --ca FILE [--direct] [--mode new|keep|names] [--resume] [--connections N]\n"
                 "         [--seconds S] [--path P] [--first N] [--count N] [--wait]\n");
    std::exit(2);
}

Options parse(int count, char** words) {
    Options options;
    for (int i = 1; i < count; ++i) {
        const std::string_view option = words[i];
        if (option == "--direct") {
            options.direct = true;
            continue;
        }
        if (option == "--resume" || option == "--wait") {
            (option == "--resume" ? options.resume : options.wait) = true;
            continue;
        }
        if (++i == count) usage();
        const std::string word = words[i];
        const std::size_t colon = word.rfind(':');
        const auto number = [](const std::string& text) { return std::strtol(text.c_str(), nullptr, 10); };
        if (option == "--proxy") options.proxy = static_cast<int>(number(colon == std::string::npos ? word : word.substr(colon + 1)));
        else if (option == "--target" && colon != std::string::npos) {
            options.host = word.substr(0, colon);
            options.port = static_cast<int>(number(word.substr(colon + 1)));
        } else if (option == "--ca") options.ca = word;
        else if (option == "--path") options.path = word;
        else if (option == "--mode" && word == "new") options.mode = Mode::fresh;
        else if (option == "--mode" && word == "keep") options.mode = Mode::keep;
        else if (option == "--mode" && word == "names") options.mode = Mode::names;
        else if (option == "--connections") options.connections = static_cast<int>(number(word));
        else if (option == "--seconds") options.seconds = std::strtod(words[i], nullptr);
        else if (option == "--first") options.first = static_cast<std::uint64_t>(number(word));
        else if (option == "--count") options.count = static_cast<std::uint64_t>(number(word));
        else usage();
    }
    if (options.proxy <= 0 || options.port <= 0 || options.host.empty() || options.ca.empty() || options.connections <= 0) usage();
    if (options.wait && options.mode != Mode::keep) usage();
    return options;
}

}  // namespace

int main(int count, char** words) {
    std::signal(SIGPIPE, SIG_IGN);
    return run(parse(count, words));
}
