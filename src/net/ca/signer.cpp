// SPDX-License-Identifier: Apache-2.0
#include "net/ca/signer.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <vector>

#include "net/error.h"

namespace sluice::net::ca {

namespace {

constexpr std::size_t most = 128 * 1024;                 // octets of a question or an answer
constexpr timeval patience{5, 0};
constexpr char is_signed = 'S';
constexpr char is_refused = 'R';

// A number that tells the answers apart: one that comes after its question was given up is for nobody.
using Number = std::uint64_t;

void put(std::string& out, std::uint64_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }

void put(std::string& out, std::string_view text) {
    put(out, std::uint64_t{text.size()});
    out += text;
}

std::optional<std::uint64_t> take_number(std::string_view& in) {
    std::uint64_t value = 0;
    if (in.size() < sizeof value) return std::nullopt;
    std::memcpy(&value, in.data(), sizeof value);
    in.remove_prefix(sizeof value);
    return value;
}

std::optional<std::string> take_text(std::string_view& in) {
    const auto size = take_number(in);
    if (!size || *size > in.size()) return std::nullopt;
    std::string text(in.substr(0, *size));
    in.remove_prefix(*size);
    return text;
}

std::optional<LeafRequest> take_request(std::string_view& in) {
    LeafRequest request;
    const auto not_after = take_number(in);
    auto subject = take_text(in);
    auto names = take_text(in);
    auto key = take_text(in);
    if (!not_after || !subject || !names || !key || !in.empty()) return std::nullopt;
    request.not_after = static_cast<std::int64_t>(*not_after);
    request.subject = std::move(*subject);
    request.names = std::move(*names);
    request.public_key = std::move(*key);
    return request;
}

std::string question_of(Number number, const LeafRequest& request) {
    std::string out;
    put(out, number);
    put(out, static_cast<std::uint64_t>(request.not_after));
    put(out, request.subject);
    put(out, request.names);
    put(out, request.public_key);
    return out;
}

// With messages' calls alone: those that the signer's cage lets through.
ssize_t receive(int socket, std::vector<char>& into) {
    iovec room{into.data(), into.size()};
    msghdr message{};
    message.msg_iov = &room;
    message.msg_iovlen = 1;
    ssize_t got = 0;
    do got = ::recvmsg(socket, &message, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

bool send(int socket, std::string& packet) {
    iovec bytes{packet.data(), packet.size()};
    msghdr message{};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    ssize_t sent = 0;
    do sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

}  // namespace

int run_signer(int socket, const Authority& authority) {
    LeafSigner signer(authority);
    std::vector<char> buffer(most);
    for (;;) {
        const ssize_t got = receive(socket, buffer);
        if (got == 0) return 0;
        if (got < 0) return 1;
        std::string_view in(buffer.data(), static_cast<std::size_t>(got));
        const auto number = take_number(in);
        const auto request = take_request(in);
        std::string answer;
        put(answer, number.value_or(0));
        const auto leaf = request ? signer.sign(*request) : fail(Errc::malformed, Side::self, "the question is not one");
        answer += leaf ? is_signed : is_refused;
        if (leaf) answer += *leaf;
        if (!send(socket, answer)) return 1;
    }
}

Signer::Signer(int socket) : answer_(most), socket_(socket) {
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

Signer::~Signer() { ::close(socket_); }

Result<std::string> Signer::sign(const LeafRequest& request) {
    const std::lock_guard lock(mutex_);
    static constexpr int tries = 2;                      // a signer that died has a successor at the same socket
    Result<std::string> leaf = fail(Errc::closed, Side::self, "the signer did not answer");
    for (int i = 0; i < tries; ++i) {
        leaf = ask(question_of(++last_, request));
        if (leaf || leaf.error().code != Errc::timed_out) break;
    }
    return leaf;
}

Result<tls::CertificatePtr> Signer::sign_and_read(const LeafRequest& request) { return certificate_from_der(TRY(sign(request))); }

Result<std::string> Signer::ask(std::string question) {
    if (question.size() > most) return fail(Errc::malformed, Side::self, "a leaf with too many names");
    if (!send(socket_, question)) return std::unexpected(error_from_errno(errno, Side::self, "the signer cannot be asked"));
    for (;;) {
        const ssize_t got = receive(socket_, answer_);
        if (got < 0) {
            if (errno == EAGAIN || errno == EWOULDBLOCK) return fail(Errc::timed_out, Side::self, "the signer did not answer in time");
            return std::unexpected(error_from_errno(errno, Side::self, "the signer did not answer"));
        }
        if (got == 0) return fail(Errc::closed, Side::self, "the signer is gone");
        std::string_view in(answer_.data(), static_cast<std::size_t>(got));
        if (in.substr(0, sizeof(Number)) != std::string_view(question).substr(0, sizeof(Number))) continue;
        in.remove_prefix(sizeof(Number));
        if (in.empty() || in.front() != is_signed) return fail(Errc::malformed, Side::self, "the signer refused to sign a leaf");
        return std::string(in.substr(1));
    }
}

}  // namespace sluice::net::ca
