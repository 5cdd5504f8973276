// SPDX-License-Identifier: Apache-2.0
// Every bound in one place, with its unit and why it is what it is. A number that limits a peer stands nowhere else.
// Those with a name in `[limits]` (or `[http]`) can be configured; the rest are fixed here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sluice {

struct Limits {
    using Duration = std::chrono::milliseconds;

    // Connections. 0: from RLIMIT_NOFILE (two descriptors a connection, and a reserve).
    std::size_t connections = 0;
    std::size_t connections_per_client = 512;
    std::size_t stranger_share = 16;           // one place in so many is for clients that wait to be refused

    // HTTP/1 heads (RFC 9110 2.3, RFC 9112 3: at least 8000 octets of a request line should be supported).
    std::size_t header_bytes = 64 * 1024;      // a whole head, request or response, with its start line
    std::size_t header_fields = 128;           // field lines in a head
    std::size_t request_target = 32 * 1024;    // octets of the request target
    std::size_t chunk_line = 4 * 1024;         // a chunk's size line, extensions included (RFC 9112 7.1.1)
    std::size_t trailer_bytes = 16 * 1024;     // a whole trailer section
    std::size_t leading_empty_lines = 4;       // CRLFs before a request line (RFC 9112 2.2)
    std::size_t interim_responses = 16;        // 1xx before a final response
    std::size_t lingering_bytes = 1024 * 1024; // read and thrown away after an early response, so that the client sees it

    // Times.
    Duration head{15'000};          // a request head, from its first byte to its last
    Duration connect{10'000};       // to a server, all addresses
    Duration connect_attempt{3'000};// one address
    Duration first_byte{300'000};   // a response's first byte after the request went out
    Duration body_idle{120'000};    // nothing moved in a body
    Duration client_idle{60'000};   // between requests of a client
    Duration upstream_idle{55'000}; // an unused connection in the pool; shorter than the 60 s at which common servers close
    Duration tunnel_idle{3'600'000};// tunnels, WebSockets, event streams
    Duration lingering{2'000};      // see lingering_bytes
    Duration drain{30'000};
    Duration client_watch{1'000};   // a server that is slower than this: from then on we look whether the client still waits
    Duration long_lived{60'000};    // a tunnel older than this has an event for its start
    Duration resolve{5'000};        // one name
    Duration proxy_header{5'000};   // a PROXY protocol header, whole
    Duration happy_eyeballs{250};   // head start of one address over the next (RFC 8305 section 5)

    // A body that moves, but slower than this, averaged over body_idle, is cut (a slow body holds a server's thread).
    std::size_t body_bytes_per_second = 32;

    // Upstream pool, per worker.
    std::size_t pool_per_origin = 64;
    std::size_t pool_total = 1024;

    // Names.
    std::size_t dns_cache_entries = 16 * 1024; // per worker
    Duration dns_negative{60'000};             // an answer that there is none is kept no longer (RFC 2308)
    Duration dns_ttl_min{1'000};
    Duration dns_ttl_max{86'400'000};
    std::size_t addresses_per_name = 16;

    // The event log.
    std::size_t log_text = 32'766;  // octets of one text (a URL, a User-Agent) in an event: the longest term that Lucene indexes
    std::size_t log_queue = 4 * 1024 * 1024;  // of lines that wait for the writer, per worker
    std::size_t rule_names = 65'536;  // different names of rules that are counted, over all reloads

    // Credentials.
    std::size_t credentials = 1024;  // octets of a Basic credential, encoded
    std::size_t password_queue = 1024;  // verifications that wait for a thread
    std::size_t remembered_credentials = 64 * 1024;  // good ones, per worker
    Duration credential_memory{300'000};  // how long a good one is remembered
    std::size_t password_attempts = 20;  // a client's verifications a minute; beyond: 429

    // Buckets of `limit` rules, all together: peers choose the keys. About 64 bytes each.
    std::size_t rate_limit_buckets = 256 * 1024;

    friend bool operator==(const Limits&, const Limits&) = default;
};

}  // namespace sluice
