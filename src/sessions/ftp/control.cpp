// SPDX-License-Identifier: Apache-2.0
#include "sessions/ftp/control.h"

#include <array>

namespace sluice::ftp {

Control::Control(std::unique_ptr<net::Stream> stream, News& news) : stream_(std::move(stream)), news_(news) {}

Control::~Control() = default;

void Control::start(std::string_view ahead) {
    is_reading_ = true;
    unread_ = ahead;
    traffic_.received += ahead.size();
    if (const auto taken = take_lines(); !taken) failure_ = taken.error();
    done_.shut();
    net::spawn(stream_->worker(), read());
}

net::Task<void> Control::stop() {
    if (!is_reading_) co_return;
    stream_->cancel();
    room_.open();
    co_await done_.wait();
    is_reading_ = false;
}

net::Task<std::unique_ptr<net::Stream>> Control::release() {
    co_await stop();
    stream_->rearm();
    co_return std::move(stream_);
}

net::Task<void> Control::read() {
    while (!failure_) {
        room_.shut();
        if (!has_room()) {
            co_await room_.wait();
            if (stream_->has_failed()) failure_ = Error{Errc::cancelled, stream_->side(), "cancelled"};
            else if (const auto taken = take_lines(); !taken) failure_ = taken.error();
            news_.tell();
            continue;
        }
        const auto got = co_await stream_->read_or_release(buffer_, stream_->worker().buffers());
        if (!got) {
            failure_ = got.error();
        } else if (*got == 0) {
            failure_ = Error{Errc::closed, stream_->side(), "closed"};
        } else {
            traffic_.received += *got;
            unread_.append(buffer_.data(), *got);
            if (const auto taken = take_lines(); !taken) failure_ = taken.error();
        }
        news_.tell();
    }
    buffer_.release();
    done_.open();
    news_.tell();
}

Result<void> Control::take_lines() {
    std::string_view unread = unread_;
    auto taken = take(unread);
    unread_.erase(0, unread_.size() - unread.size());
    return taken;
}

net::Task<Result<void>> Control::send(std::string_view text, Limits::Duration idle) {
    traffic_.sent += text.size();
    const std::array<std::string_view, 1> pieces{text};
    auto sent = co_await stream_->write(pieces, 0, idle);
    if (!sent && !failure_) {  // behind half a line nothing can be said
        failure_ = sent.error();
        news_.tell();
    }
    co_return sent;
}

Result<void> ClientControl::take(std::string_view& unread) {
    while (has_room()) {
        auto command = reader_.next(unread);
        if (!command) break;
        if (command->verb == "ABOR" && command->fault == Command::Fault::none) ++aborts_;
        if (command->verb == "AUTH" && command->fault == Command::Fault::none) is_parked_ = true;
        commands_.push_back(std::move(*command));
    }
    return {};
}

Command ClientControl::take_command() {
    Command out = std::move(commands_.front());
    commands_.pop_front();
    if (out.verb == "ABOR" && out.fault == Command::Fault::none) --aborts_;
    read_on();
    return out;
}

void ClientControl::unpark() {
    is_parked_ = false;
    read_on();
}

Result<void> ServerControl::take(std::string_view& unread) {
    while (has_room()) {
        auto reply = reader_.next(unread);
        if (!reply) return std::unexpected(reply.error());
        if (!*reply) break;
        replies_.push_back(std::move(**reply));
    }
    return {};
}

Reply ServerControl::take_reply() {
    Reply out = std::move(replies_.front());
    replies_.pop_front();
    read_on();
    return out;
}

}  // namespace sluice::ftp
