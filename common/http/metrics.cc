// SPDX-License-Identifier: Apache-2.0
#include "common/http/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>

namespace pgmahout {

prometheus::ClientMetric& Metrics::Add(const std::string& name,
                                       const std::string& help,
                                       prometheus::MetricType type,
                                       const Labels& labels) {
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&name](const auto& one) { return one.name == name; });
  if (family == families_.end()) {
    family = families_.insert(families_.end(), prometheus::MetricFamily{name, help, type, {}});
  }
  prometheus::ClientMetric& metric = family->metric.emplace_back();
  for (const auto& [key, value] : labels) {
    metric.label.push_back(prometheus::ClientMetric::Label{key, value});
  }
  return metric;
}

void Metrics::Gauge(const std::string& name,
                    const std::string& help,
                    double value,
                    const Labels& labels) {
  Add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void Metrics::Counter(const std::string& name,
                      const std::string& help,
                      double value,
                      const Labels& labels) {
  Add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

std::string Metrics::Text() const {
  return prometheus::TextSerializer().Serialize(families_);
}

}  // namespace pgmahout
