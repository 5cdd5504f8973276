// SPDX-License-Identifier: Apache-2.0
#include "net/dns_channel.h"

#include "net/worker.h"

#include <boost/asio/post.hpp>

#include <netinet/in.h>
#include <sys/time.h>
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace sluice::net {

namespace {

constexpr int class_in = 1;
constexpr int type_a = 1;
constexpr int type_soa = 6;
constexpr int type_aaaa = 28;
constexpr std::size_t header_size = 12;
constexpr int most_records = 64;

std::uint32_t number_at(std::string_view message, std::size_t at, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = (value << 8) | static_cast<std::uint8_t>(message[at + i]);
    return value;
}

// Past the name at `at`; nullopt where the message ends in it.
std::optional<std::size_t> skip_name(std::string_view message, std::size_t at) {
    while (at < message.size()) {
        const auto length = static_cast<std::uint8_t>(message[at]);
        if (length == 0) return at + 1;
        if ((length & 0xc0) == 0xc0) return at + 2 <= message.size() ? std::optional(at + 2) : std::nullopt;
        at += 1U + length;
    }
    return std::nullopt;
}

DnsAnswer read_answer(bool v6, int status, const unsigned char* message, int length) {
    DnsAnswer answer;
    answer.status = status;
    std::uint32_t ttl = ~0U;
    const auto note = [&](int record_ttl) { ttl = std::min(ttl, static_cast<std::uint32_t>(std::max(record_ttl, 0))); };
    if (status == ARES_SUCCESS && v6) {
        std::array<ares_addr6ttl, most_records> records;
        int count = most_records;
        answer.status = ares_parse_aaaa_reply(message, length, nullptr, records.data(), &count);
        for (int i = 0; answer.status == ARES_SUCCESS && i < count; ++i) {
            const auto& record = records[static_cast<std::size_t>(i)];
            std::array<std::uint8_t, 16> bytes;
            std::memcpy(bytes.data(), &record.ip6addr, bytes.size());
            answer.addresses.push_back(IpAddress::v6(bytes).unmapped());
            note(record.ttl);
        }
    } else if (status == ARES_SUCCESS) {
        std::array<ares_addrttl, most_records> records;
        int count = most_records;
        answer.status = ares_parse_a_reply(message, length, nullptr, records.data(), &count);
        for (int i = 0; answer.status == ARES_SUCCESS && i < count; ++i) {
            const auto& record = records[static_cast<std::size_t>(i)];
            answer.addresses.push_back(IpAddress::v4(ntohl(record.ipaddr.s_addr)));
            note(record.ttl);
        }
    }
    if (answer.status == ARES_SUCCESS && answer.addresses.empty()) answer.status = ARES_ENODATA;
    if (answer.status == ARES_SUCCESS) answer.ttl = std::chrono::seconds(ttl);
    else if (message && length > 0) answer.ttl = negative_ttl({reinterpret_cast<const char*>(message), static_cast<std::size_t>(length)});
    return answer;
}

}  // namespace

struct DnsChannel::Question {
    std::shared_ptr<DnsChannel> channel;
    bool v6;
    Callback callback;
};

class DnsChannel::Socket final : public EventSource {
public:
    Socket(DnsChannel& channel, ares_socket_t descriptor) : channel_(channel), descriptor_(descriptor) {}
    ~Socket() { channel_.worker_.reactor().remove(descriptor_, *this); }

    void want(std::uint32_t events) {
        if (events_ == 0) channel_.worker_.reactor().add(descriptor_, events, *this);
        else if (events != events_) channel_.worker_.reactor().modify(descriptor_, events, *this);
        events_ = events;
    }

private:
    void on_ready(std::uint32_t events) override {
        const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
        const ares_socket_t readable = broken || (events & EPOLLIN) != 0 ? descriptor_ : ARES_SOCKET_BAD;
        const ares_socket_t writable = broken || (events & EPOLLOUT) != 0 ? descriptor_ : ARES_SOCKET_BAD;
        channel_.process(readable, writable);                // may destroy this
    }

    DnsChannel& channel_;
    ares_socket_t descriptor_;
    std::uint32_t events_ = 0;
};

DnsChannel::DnsChannel(Worker& worker, const ResolvConf& conf)
    : worker_(worker),
      timer_(worker.timers(), [this] { process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }) {
    ares_options options{};
    in_addr placeholder{htonl(INADDR_LOOPBACK)};
    char lookups[] = "b";
    // Every option that c-ares would otherwise look up in files.
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    options.timeout = static_cast<int>(conf.timeout.count());
    options.tries = conf.attempts;
    options.ndots = 1;
    options.servers = &placeholder;
    options.nservers = 1;
    options.ndomains = 0;
    options.lookups = lookups;
    options.nsort = 0;
    options.sock_state_cb = &DnsChannel::on_socket;
    options.sock_state_cb_data = this;
    const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS |
                     ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST | ARES_OPT_SOCK_STATE_CB | (conf.rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
    if (ares_init_options(&channel_, &options, mask) != ARES_SUCCESS) {
        channel_ = nullptr;
        return;
    }
    std::string servers;
    for (const std::string& server : conf.servers) servers += (servers.empty() ? "" : ",") + server;
    ares_set_servers_ports_csv(channel_, servers.c_str());
}

DnsChannel::~DnsChannel() {
    if (channel_) ares_destroy(channel_);
}

void DnsChannel::query(const std::string& name, bool v6, Callback callback) {
    if (!channel_) {
        callback({ARES_ENOTINITIALIZED, {}, {}});
        return;
    }
    auto question = std::make_unique<Question>(shared_from_this(), v6, std::move(callback));
    ares_query(channel_, name.c_str(), class_in, v6 ? type_aaaa : type_a, &DnsChannel::on_answer, question.release());
    set_timer();
}

void DnsChannel::cancel() {
    if (channel_) ares_cancel(channel_);
}

void DnsChannel::on_answer(void* argument, int status, int, unsigned char* message, int length) {
    const std::unique_ptr<Question> question(static_cast<Question*>(argument));
    question->callback(read_answer(question->v6, status, message, length));
    // c-ares is still at work on the channel: the last owner lets go later.
    Worker& worker = question->channel->worker_;
    asio::post(worker.executor(), [channel = std::move(question->channel)] {});
}

void DnsChannel::on_socket(void* argument, ares_socket_t descriptor, int readable, int writable) {
    auto& self = *static_cast<DnsChannel*>(argument);
    if (readable == 0 && writable == 0) {
        self.sockets_.erase(descriptor);
        return;
    }
    auto& socket = self.sockets_[descriptor];
    if (!socket) socket = std::make_unique<Socket>(self, descriptor);
    socket->want((readable != 0 ? EPOLLIN : 0U) | (writable != 0 ? EPOLLOUT : 0U));
}

void DnsChannel::process(ares_socket_t readable, ares_socket_t writable) {
    const auto alive = shared_from_this();
    ares_process_fd(channel_, readable, writable);
    set_timer();
}

void DnsChannel::set_timer() {
    timeval next{};
    if (!ares_timeout(channel_, nullptr, &next)) {
        timer_.cancel();
        return;
    }
    timer_.set(std::chrono::ceil<std::chrono::milliseconds>(std::chrono::seconds(next.tv_sec) + std::chrono::microseconds(next.tv_usec)));
}

std::chrono::seconds negative_ttl(std::string_view message) {
    constexpr std::chrono::seconds unsaid{0};
    if (message.size() < header_size) return unsaid;
    const std::uint32_t questions = number_at(message, 4, 2);
    const std::uint32_t records = number_at(message, 6, 2) + number_at(message, 8, 2);
    std::size_t at = header_size;
    for (std::uint32_t i = 0; i < questions; ++i) {
        const auto end = skip_name(message, at);
        if (!end) return unsaid;
        at = *end + 4;
    }
    for (std::uint32_t i = 0; i < records; ++i) {
        const auto end = skip_name(message, at);
        if (!end || *end + 10 > message.size()) return unsaid;
        const std::uint32_t type = number_at(message, *end, 2);
        const std::uint32_t ttl = number_at(message, *end + 4, 4);
        const std::size_t data = *end + 10;
        at = data + number_at(message, *end + 8, 2);
        if (at > message.size()) return unsaid;
        if (type != type_soa) continue;
        if (at - data < 20) return unsaid;
        return std::chrono::seconds(std::min(ttl, number_at(message, at - 4, 4)));
    }
    return unsaid;
}

}  // namespace sluice::net
