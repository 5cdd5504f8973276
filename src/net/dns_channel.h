// SPDX-License-Identifier: Apache-2.0
// c-ares on a worker: its sockets in the worker's epoll set, its timeouts among the worker's timers. It reads no file and adds no domain.
#pragma once

#include "net/name_files.h"
#include "net/reactor.h"
#include "net/timer.h"

#include <ares.h>

#include <chrono>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace sluice::net {

class Worker;

// One family's answer to one name.
struct DnsAnswer {
    int status = ARES_SUCCESS;                   // ARES_ENOTFOUND, ARES_ENODATA, ARES_ETIMEOUT, …
    std::vector<IpAddress> addresses;
    std::chrono::seconds ttl{0};                 // of the addresses, or of their absence (RFC 2308 section 5); 0: not to be kept
};

class DnsChannel : public std::enable_shared_from_this<DnsChannel> {
public:
    using Callback = std::function<void(DnsAnswer)>;

    DnsChannel(Worker& worker, const ResolvConf& conf);
    ~DnsChannel();
    DnsChannel(const DnsChannel&) = delete;
    DnsChannel& operator=(const DnsChannel&) = delete;

    // Calls back exactly once, perhaps in this call. The channel stays alive until then.
    void query(const std::string& name, bool v6, Callback callback);
    // All queries end, with ARES_ECANCELLED.
    void cancel();

private:
    struct Question;
    class Socket;
    static void on_answer(void* question, int status, int timeouts, unsigned char* message, int length);
    static void on_socket(void* channel, ares_socket_t descriptor, int readable, int writable);
    void process(ares_socket_t readable, ares_socket_t writable);
    void set_timer();

    Worker& worker_;
    ares_channel channel_ = nullptr;
    Timer timer_;
    std::unordered_map<ares_socket_t, std::unique_ptr<Socket>> sockets_;
};

// What a message says about how long "there is none" may be kept: the lesser of the SOA's TTL and its minimum (RFC 2308 section 5); 0 if it
// does not say.
std::chrono::seconds negative_ttl(std::string_view message);

}  // namespace sluice::net
