// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "net/wheel.h"
#include "sessions/http/exchange.h"

namespace sluice::http {

// A place in the worker's wheel that calls.
class Exchange::Alarm final : public net::Deadline {
public:
    Alarm(net::Wheel& wheel, std::function<void()> call) : Deadline(wheel), call_(std::move(call)) {}

private:
    void on_expired() override { call_(); }
    std::function<void()> call_;
};

}  // namespace sluice::http
